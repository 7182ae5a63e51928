"""The least costly way to give each row a column: the Hungarian method, in integers, exact.

By shortest augmenting paths. Source: H. W. Kuhn, "The Hungarian Method for the Assignment
Problem", 1955; J. Munkres, 1957.
"""

from collections.abc import Sequence


def least_cost(costs: Sequence[Sequence[int]]) -> list[int]:
    """The column of each row of a square table so that the sum of the chosen is least.

    Costs O(n^3). Rows are taken in one after the other; the prices of rows and columns keep every
    reduced cost at 0 or more. Row and column 0 are the source of each path.
    """
    size = len(costs)
    row_price, column_price = [0] * (size + 1), [0] * (size + 1)
    row_of = [0] * (size + 1)
    for row in range(1, size + 1):
        row_of[0], column = row, 0
        least: list[int | None] = [None] * (size + 1)
        before = [0] * (size + 1)
        visited = [False] * (size + 1)
        while row_of[column]:
            visited[column] = True
            here = row_of[column]
            for other in range(1, size + 1):
                if visited[other]:
                    continue
                reduced = costs[here - 1][other - 1] - row_price[here] - column_price[other]
                known = least[other]
                if known is None or reduced < known:
                    least[other], before[other] = reduced, column
            step, nearest = min(
                (value, other)
                for other, value in enumerate(least)
                if value is not None and not visited[other]
            )
            for other in range(size + 1):
                value = least[other]
                if visited[other]:
                    row_price[row_of[other]] += step
                    column_price[other] -= step
                elif value is not None:
                    least[other] = value - step
            column = nearest
        while column:
            row_of[column] = row_of[before[column]]
            column = before[column]
    columns = [0] * size
    for column in range(1, size + 1):
        columns[row_of[column] - 1] = column - 1
    return columns

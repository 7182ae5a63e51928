"""One terminal leads a feed: the first, until it is silent or gone."""

from adapters.mt5.leads import LeadChange, Leads
from engine.domain.ids import AccountKey

A, B, C = (AccountKey("Demo-1", login) for login in (1, 2, 3))
ELSEWHERE = AccountKey("Demo-2", 1)


def test_the_first_leads_until_it_leaves_then_the_longest_linked() -> None:
    leads = Leads()
    assert leads.join(A) == LeadChange("Demo-1", None, A)
    assert leads.join(B) is None
    assert leads.join(C) is None
    assert leads.leave(A) == LeadChange("Demo-1", A, B)


def test_one_that_comes_back_goes_behind() -> None:
    leads = Leads()
    for account in (A, B, C):
        leads.join(account)
    leads.leave(A)
    assert leads.join(A) is None
    assert leads.leave(B) == LeadChange("Demo-1", B, C)
    assert leads.leave(C) == LeadChange("Demo-1", C, A)


def test_nobody_leads_when_all_are_silent_and_the_next_heard_does() -> None:
    leads = Leads()
    leads.join(A)
    assert leads.leave(A) == LeadChange("Demo-1", A, None)
    assert leads.leave(A) is None
    assert leads.join(B) == LeadChange("Demo-1", None, B)


def test_servers_have_leaders_of_their_own() -> None:
    leads = Leads()
    leads.join(A)
    assert leads.join(ELSEWHERE) == LeadChange("Demo-2", None, ELSEWHERE)
    assert leads.leaders() == {"Demo-1": A, "Demo-2": ELSEWHERE}

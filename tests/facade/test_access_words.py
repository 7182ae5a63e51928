import re

from facade.access_words import WORDS
from tests.tree import ROOT

RAISED = re.compile(r'(?:Denied\(\s*\d{3},\s*|_deny\(\s*)"([a-z_]+)"')
CHOSEN = re.compile(r'"(approval_[a-z]+)"')


def test_every_refusal_has_words_and_all_words_are_of_a_refusal() -> None:
    paths = [*ROOT.glob("facade/access*.py"), ROOT / "facade" / "limits.py"]
    paths += [
        ROOT / "facade" / f"{name}.py" for name in ("approvals", "idempotency", "call", "streaming")
    ]
    text = "\n".join(path.read_text() for path in paths if path.name != "access_words.py")
    raised = set(RAISED.findall(text)) | set(CHOSEN.findall(text))
    assert raised == set(WORDS)
    assert all(words.endswith(".") and len(words) <= 100 for words in WORDS.values())

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


OWN = "Demo-1/2"


def test_an_account_with_a_feed_of_its_own_leads_that_and_its_servers_never() -> None:
    leads = Leads()
    for account in (A, B, C):
        leads.join(account)
    assert leads.assign(B, OWN) == [LeadChange(OWN, None, B)]
    assert (leads.feed_of(B), leads.leads(B), leads.leads(A)) == (OWN, True, True)
    assert leads.leave(A) == LeadChange("Demo-1", A, C)
    assert leads.leave(C) == LeadChange("Demo-1", C, None), "B is there, and may not"
    assert leads.leaders() == {"Demo-1": None, OWN: B}


def test_whoever_led_its_server_hands_that_on_first() -> None:
    leads = Leads()
    for account in (A, B):
        leads.join(account)
    assert leads.assign(A, "Demo-1/1") == [
        LeadChange("Demo-1", A, B),
        LeadChange("Demo-1/1", None, A),
    ]


def test_one_that_is_not_linked_quotes_for_its_own_when_it_links() -> None:
    leads = Leads()
    leads.want(OWN, ("EURUSD",))
    assert leads.assign(B, OWN) == []
    assert leads.join(A) == LeadChange("Demo-1", None, A)
    assert leads.join(B) == LeadChange(OWN, None, B)
    assert leads.wanted(leads.feed_of(B)) == ("EURUSD",)
    assert leads.leave(B) == LeadChange(OWN, B, None)
    assert leads.leaders() == {"Demo-1": A, OWN: None}, "nobody quotes for it instead"


def test_back_on_its_servers_feed_it_goes_behind_and_leads_again_in_its_turn() -> None:
    leads = Leads()
    for account in (A, B, C):
        leads.join(account)
    leads.assign(A, "Demo-1/1")
    assert leads.assign(A, None) == [LeadChange("Demo-1/1", A, None)]
    assert leads.leaders() == {"Demo-1": B}
    assert leads.assign(A, None) == []
    leads.leave(B)
    assert leads.leave(C) == LeadChange("Demo-1", C, A)


def test_another_terminal_can_be_preferred_where_it_may_lead() -> None:
    leads = Leads()
    for account in (A, B, C):
        leads.join(account)
    assert leads.prefer(C) == LeadChange("Demo-1", A, C)
    assert leads.prefer(C) is None
    assert leads.leave(C) == LeadChange("Demo-1", C, B), "who led before goes behind"
    leads.assign(A, "Demo-1/1")
    assert leads.prefer(A) is None
    assert leads.prefer(ELSEWHERE) is None

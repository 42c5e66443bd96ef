from oort.policy.doubt import NO_DOUBT, Doubt


def test_an_attempt_of_unknown_outcome_raises_a_doubt() -> None:
    assert NO_DOUBT.raised(body_complete=False) == Doubt(may_be_stored=True)
    assert NO_DOUBT.raised(body_complete=True) == Doubt(may_be_stored=True, body_complete=True)


def test_a_complete_body_stays_complete_when_a_later_one_is_cut() -> None:
    doubt = NO_DOUBT.raised(body_complete=True).raised(body_complete=False)
    assert doubt == Doubt(may_be_stored=True, body_complete=True)


def test_one_answer_settles_a_doubt_whose_body_was_cut() -> None:
    doubt = NO_DOUBT.raised(body_complete=False)
    assert not doubt.must_be_asked_again
    assert doubt.asked() == NO_DOUBT


def test_a_complete_body_is_asked_for_twice() -> None:
    once = NO_DOUBT.raised(body_complete=True).asked()
    assert once == Doubt(may_be_stored=True, body_complete=True, asked_complete=True)
    assert not once.must_be_asked_again
    assert once.asked() == NO_DOUBT


def test_a_new_complete_body_is_asked_for_twice_again() -> None:
    once = NO_DOUBT.raised(body_complete=True).asked()
    assert once.raised(body_complete=True).must_be_asked_again
    assert not once.raised(body_complete=False).must_be_asked_again


def test_a_file_that_may_have_been_there_before_us_is_asked_for_once() -> None:
    assert Doubt(ask_first=True).asked() == NO_DOUBT


def test_an_attempt_does_not_forget_that_the_file_may_have_been_there_before() -> None:
    assert Doubt(ask_first=True).raised(body_complete=False).ask_first

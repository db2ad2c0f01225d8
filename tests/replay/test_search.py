"""What a search marks is what it has found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from culturepark.languages.words import folded, terms
from culturepark.replay.search import HitList, Hits, SearchScreen, places
from culturepark.replay.stage import StageScreen
from culturepark.store.search import Hit
from tests.support.fakes import Held
from tests.support.replaying import app_on, press, shown, small_run


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return small_run(tmp_path_factory.mktemp("searching"))


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("we pour  one\n more glass", '"pour one more"', ["pour  one\n more"]),
        ("this is a banana", "isa", []),
        ("this is a banana", '"is a"', ["is a", "is a"][:1]),
        ("C\u0327ay and çay", "cay", ["C\u0327ay", "çay"]),
        ("C\u0327ay", "c", ["C\u0327"]),
        ("the ﬁnest, ½ of it", "fi 1", ["ﬁ", "½"]),
        ("  by itself", '"by itself"', ["by itself"]),
    ],
)
def test_quoted_words_and_letters_of_any_form_are_marked_where_they_stand(
    text: str, words: str, marked: list[str]
) -> None:
    assert [text[start:end] for start, end in places(text, words)] == marked


@given(
    st.text(st.sampled_from("açi\u0327\u0301 \n\u00a0ﬁß½\u00b4\u0640")),
    st.text(st.sampled_from('acif \u0327"'), min_size=1),
)
def test_marks_are_there_exactly_where_the_search_finds_something(text: str, words: str) -> None:
    found = [term for term in terms(words) if term in folded(text)]
    marked = places(text, words)
    assert bool(marked) == bool(found)
    for start, end in marked:
        assert any(term in folded(text[start:end]) for term in found)


def test_an_excerpt_is_around_the_hit_also_where_words_are_not_set_apart() -> None:
    class Plain(HitList):
        def ink(self, name: str) -> str:  # type: ignore[override]  # no app, no styles
            return name

    listing = Plain()
    for text in ("x" * 300 + "茶を 飲む" + "y" * 100, "long ago " * 40 + "茶を\n飲む then"):
        listing.hits = Hits('"茶を 飲む"')
        lines: list[Text] = listing.draw(Hit("r.d1", "r.d1.t1", 1, "elif", text), 60)
        assert "茶を 飲む" in lines[1].plain
        assert any(span.style == "bold reverse" for span in lines[1].spans)


@pytest.mark.torture
async def test_another_search_from_a_hit_on_stage_is_the_one_that_led_there(held: Held) -> None:
    app = app_on(held.store, "last")
    async with shown(app) as pilot:
        await press(pilot, "slash", *"guest", "enter", "enter")
        before = [type(screen) for screen in app.screen_stack]
        for _ in range(3):
            await press(pilot, "slash")
            assert isinstance(app.screen, SearchScreen)
            assert app.focused is app.screen.query_one("Input")
            await press(pilot, "enter", "down", "enter")
            assert isinstance(app.screen, StageScreen)
        assert [type(screen) for screen in app.screen_stack] == before

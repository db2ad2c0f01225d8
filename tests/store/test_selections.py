"""Selections in the store: found by id, name, or the beginning of the id."""

import pytest

from culturepark.errors import UsageError
from culturepark.store.selections import find_selection, sample_ids
from culturepark.store.store import Store
from culturepark.store.tables import SelectedRow, SelectionRow


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/store.db")
    with store.database.writing() as session:
        for number, name in (("a1b2", "mine"), ("a1c3", None)):
            told = {"created_at": "2026-11-21T10:00:00+00:00", "version": "0", "runs": "[]", "wanted": "{}"}
            row_id = f"sel-20261121-{number}"
            session.add(SelectionRow(id=row_id, name=name, funnel="[]", unfilled="[]", **told))
        session.flush()
        for position, sample in enumerate(("r.d2.t1.s1.x1", "r.d10.t1.s1.x1", "r.d1.t1.s1.x1"), start=1):
            session.add(SelectedRow(selection_id="sel-20261121-a1b2", sample_id=sample, position=position, cell="{}"))
    yield store
    store.close()


@pytest.mark.parametrize("name", ["sel-20261121-a1b2", "mine", "sel-20261121-a1b"])
def test_a_selection_is_found_by_its_id_its_name_and_its_beginning(store, name):
    assert find_selection(store, name).id == "sel-20261121-a1b2"


@pytest.mark.parametrize("name", ["", "last", "MINE", "20261121-quickstart-7f3a", "sel-20270101"])
def test_what_is_no_selection_is_none(store, name):
    assert find_selection(store, name) is None


def test_a_beginning_of_several_ids_names_them(store):
    with pytest.raises(UsageError, match="sel-20261121-a1b2, sel-20261121-a1c3"):
        find_selection(store, "sel-20261121-a1")


def test_samples_keep_the_order_of_the_selection(store):
    with store.database.reading() as look:
        assert sample_ids(look, "sel-20261121-a1b2") == ["r.d2.t1.s1.x1", "r.d10.t1.s1.x1", "r.d1.t1.s1.x1"]

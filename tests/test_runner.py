"""The runner with small stages of its own: order, reuse, resume, checks."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from curate.errors import LockedError, MissingTableError, RecipeError, SchemaError
from curate.plan import Step, check_inputs, order, plan
from curate.runner import append, run
from curate.stage import Part, QueryStage, ShardStage, Tables, param
from curate.store import Workspace


@dataclass(frozen=True, kw_only=True)
class CutParams:
    sizes: tuple[int, ...] = param((3, 2), help="rows per part")
    label: str = param("x", help="lemma to write")
    shown: str = param("", help="only gather depends on it")


@dataclass(frozen=True, kw_only=True)
class NoParams:
    pass


calls: list[str] = []


def cut(tables: Tables, params: CutParams) -> list[Part]:
    def load(index: int) -> pa.Table:
        return pa.table({"part": [index] * params.sizes[index], "row": list(range(params.sizes[index]))})

    return [
        Part(f"p{i}", {"size": size}, lambda i=i: load(i))  # type: ignore[misc]
        for i, size in enumerate(params.sizes)
    ]


class Lemmas:
    def __init__(self, label: str) -> None:
        self.label = label

    def __call__(self, rows: pa.Table) -> dict[str, pa.Table]:
        calls.append(f"p{rows.column('part')[0].as_py()}")
        names = [f"n{p:04d}{r:04d}" for p, r in zip(*rows.to_pydict().values(), strict=True)]
        n = len(names)
        return {
            "lemmas": pa.table(
                {"wnid": names, "lemma": [self.label] * n, "squashed": [self.label] * n,
                 "sense_rank": pa.array([1] * n, pa.int32()), "tag_count": pa.array([0] * n, pa.int32())}
            )
        }  # fmt: skip


def make_lemmas(tables: Tables, params: CutParams) -> Lemmas:
    return Lemmas(params.label)


def count_lemmas(tables: Tables, params: CutParams) -> dict[str, object]:
    return {
        "class_members": tables.connect().sql(f"SELECT '{params.shown}' || squashed AS class_key, wnid FROM lemmas")
    }


CUT = ShardStage(
    name="cut", version=1, params=CutParams, writes=("lemmas",), gathers=("class_members",), parts=cut,
    make_worker=make_lemmas, gather=count_lemmas, part_params=("label",), batch_rows=2, doc="cut",
)  # fmt: skip


def link(tables: Tables, params: NoParams) -> dict[str, object]:
    calls.append("link")
    con = tables.connect()
    return {"class_parents": con.sql("SELECT wnid AS class_key, 'top' AS parent_key FROM class_members")}


LINK = QueryStage(
    name="link", version=1, params=NoParams, reads=("class_members",), writes=("class_parents",), run=link, doc="link"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    calls.clear()
    return Workspace(tmp_path / "w", create=True)


def steps(**params: object) -> list[Step]:
    return [Step(LINK, NoParams()), Step(CUT, CutParams(**params))]  # type: ignore[arg-type]


def test_runs_in_table_order_and_reuses_all_the_second_time(workspace: Workspace) -> None:
    first = list(run(workspace, steps()))
    assert [o.stage for o in first] == ["cut", "link"]
    assert first[0].n_rows == {"lemmas": 5, "class_members": 5}
    done, digests = list(calls), workspace.digests()
    second = list(run(workspace, steps()))
    assert [o.action for o in second] == ["reused", "reused"]
    assert (calls, workspace.digests()) == (done, digests)


def test_only_new_parts_run_and_the_result_equals_a_rebuild(workspace: Workspace, tmp_path: Path) -> None:
    list(run(workspace, steps()))
    calls.clear()
    outcomes = list(run(workspace, steps(sizes=(3, 2, 4))))
    assert (outcomes[0].n_parts_run, outcomes[0].n_parts_reused) == (1, 2)
    assert "p0" not in calls
    fresh = Workspace(tmp_path / "fresh", create=True)
    list(run(fresh, steps(sizes=(3, 2, 4)), n_workers=1))
    assert fresh.digests() == workspace.digests()
    assert _files(fresh) == _files(workspace, current_only=True)


def _files(workspace: Workspace, current_only: bool = False) -> dict[str, bytes]:
    wanted = {p.file for c in workspace.commits().values() for parts in c.tables.values() for p in parts}
    root = workspace.folder / "parts"
    found = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.parquet")}
    return {name: data for name, data in found.items() if not current_only or name in wanted}


def test_gather_parameter_leaves_parts_alone(workspace: Workspace) -> None:
    list(run(workspace, steps()))
    calls.clear()
    outcomes = list(run(workspace, steps(shown="_")))
    assert outcomes[0].n_parts_run == 0
    assert calls == ["link"]


def test_killed_run_continues_with_what_is_missing(workspace: Workspace, tmp_path: Path) -> None:
    def dying(stage, tables, params, parts, n_workers, progress):  # type: ignore[no-untyped-def]
        from curate.engines.local import run_parts

        yield next(iter(run_parts(stage, tables, params, parts, 1, progress)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(workspace, steps(), engine=dying))
    assert workspace.commits() == {}
    calls.clear()
    list(run(workspace, steps()))
    assert "p0" not in calls
    fresh = Workspace(tmp_path / "fresh", create=True)
    list(run(fresh, steps()))
    assert _files(fresh) == _files(workspace)


def test_deleted_files_are_made_again(workspace: Workspace) -> None:
    list(run(workspace, steps()))
    before = _files(workspace)
    next((workspace.folder / "parts" / "lemmas").glob("*.parquet")).unlink()
    next((workspace.folder / "parts" / "class_parents").glob("*.parquet")).unlink()
    list(run(workspace, steps()))
    assert _files(workspace) == before


def test_plan_says_why(workspace: Workspace) -> None:
    assert plan(workspace, steps())[0][1].why == "has not run"
    list(run(workspace, steps()))
    assert [v.action for _, v in plan(workspace, steps())] == ["reuse", "reuse"]
    verdicts = [v for _, v in plan(workspace, steps(label="y"))]
    assert verdicts[0].why == "parameter label changed"
    assert verdicts[0].n_parts == (2, 2)
    assert "after cut" in verdicts[1].why


def test_rows_that_break_the_schema_are_refused(workspace: Workspace) -> None:
    twice = QueryStage(
        name="twice", version=1, params=NoParams, writes=("class_members",), doc="",
        run=lambda tables, params: {"class_members": pa.table({"class_key": ["a", "a"], "wnid": ["n", "n"]})},
    )  # fmt: skip
    with pytest.raises(SchemaError, match="two rows with key"):
        list(run(workspace, [Step(twice, NoParams())]))
    own = QueryStage(
        name="own", version=1, params=NoParams, writes=("class_parents",), doc="",
        run=lambda tables, params: {"class_parents": pa.table({"class_key": ["a"], "parent_key": ["a"]})},
    )  # fmt: skip
    with pytest.raises(SchemaError, match="violate"):
        list(run(workspace, [Step(own, NoParams())]))
    assert workspace.commits() == {}


def test_key_twice_in_different_parts_is_refused(workspace: Workspace) -> None:
    def same(tables: Tables, params: CutParams) -> list[Part]:
        rows = pa.table({"part": [0], "row": [0]})
        return [Part("a", {}, lambda: rows), Part("b", {}, lambda: rows)]

    stage = ShardStage(name="same", version=1, params=CutParams, writes=("lemmas",), parts=same,
                       make_worker=make_lemmas, doc="")  # fmt: skip
    with pytest.raises(SchemaError, match="two rows with key"):
        list(run(workspace, [Step(stage, CutParams())]))


def test_settle_runs_some_parts_again_and_keeps_it_stable(workspace: Workspace) -> None:
    def settle(tables: Tables, params: CutParams, parts: list[Part]) -> list[Part]:
        assert tables.arrow("lemmas").num_rows >= 5
        return [Part("p1", {"size": 2, "shift": 7}, lambda: pa.table({"part": [7, 7], "row": [0, 1]}))]

    stage = ShardStage(name="settling", version=1, params=CutParams, writes=("lemmas",), parts=cut,
                       make_worker=make_lemmas, settle=settle, part_params=("label",), doc="")  # fmt: skip
    list(run(workspace, [Step(stage, CutParams())]))
    assert "n00070000" in workspace.tables(["lemmas"]).arrow("lemmas").column("wnid").to_pylist()
    calls.clear()
    assert next(run(workspace, [Step(stage, CutParams())])).action == "reused"
    assert next(run(workspace, [Step(stage, CutParams(sizes=(3, 2, 1)))])).n_parts_run == 1
    assert calls == ["p2"]


def test_undeclared_table_cannot_be_read(workspace: Workspace) -> None:
    nosy = QueryStage(name="nosy", version=1, params=NoParams, reads=("lemmas",), writes=("class_parents",), doc="",
                      run=lambda tables, params: {"class_parents": tables.arrow("class_members")})  # fmt: skip
    list(run(workspace, steps()))
    with pytest.raises(SchemaError, match="not declared"):
        list(run(workspace, [Step(nosy, NoParams())]))


def test_missing_input_and_circle_fail_before_anything_runs(workspace: Workspace) -> None:
    with pytest.raises(MissingTableError, match="Run 'curate cut' first"):
        check_inputs(workspace, [Step(LINK, NoParams())], {"class_members": "cut"})
    back = QueryStage(name="back", version=1, params=NoParams, reads=("class_parents",), writes=("class_members",),
                      run=link, doc="")  # fmt: skip
    with pytest.raises(RecipeError, match="need each other"):
        order([Step(LINK, NoParams()), Step(back, NoParams())])


def test_second_run_at_once_is_refused(workspace: Workspace) -> None:
    with workspace.lock(), pytest.raises(LockedError, match="another run"):
        list(run(Workspace(workspace.folder), steps()))


def test_retained_values_stay(workspace: Workspace) -> None:
    def stage(run_id: str) -> Step:
        rows = pa.table({"run_id": [run_id], "manifest_id": ["m"], "recipe": ["r"], "checkpoint": ["c"],
                         "n_steps": [1], "n_images_seen": [1], "final_loss": [0.5]})  # fmt: skip
        made = QueryStage(name="train", version=1, params=CutParams, writes=("training_runs",), retain="run_id",
                          run=lambda tables, params: {"training_runs": rows}, doc="")  # fmt: skip
        return Step(made, CutParams(label=run_id))

    list(run(workspace, [stage("a")]))
    list(run(workspace, [stage("b")]))
    list(run(workspace, [stage("a")]))
    assert workspace.tables(["training_runs"]).arrow("training_runs").column("run_id").to_pylist() == ["a", "b"]
    commit = workspace.commit_of("train")
    assert commit is not None
    assert commit.latest == "a"


def test_append_is_idempotent(workspace: Workspace) -> None:
    rows = pa.table({"class_key": ["a", "b"], "wnid": ["n1", "n2"]})
    assert append(workspace, "people", "class_members", rows) == 2
    assert append(workspace, "people", "class_members", rows) == 0
    assert append(workspace, "people", "class_members", pa.table({"class_key": ["a", "c"], "wnid": ["n1", "n3"]})) == 1
    assert workspace.tables(["class_members"]).arrow("class_members").num_rows == 3

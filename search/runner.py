"""The execution of a search: trials are proposed and executed, the best are confirmed, and the best one is exported."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import Timeout

from analysis import believed
from analysis.terminal import print_verdicts
from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.runs.description import counted
from resnet_core.runs.execution import job
from resnet_core.runs.execution.estimate import start_seconds, train_seconds
from resnet_core.runs.execution.fill import asked_data, carry_out, check_mixed, execute_all, fill, set_aside, trained_on
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.frames import Damaged
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.record import ADVICE, FAILED, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.records.survey import Survey
from resnet_core.runs.spec import Run
from resnet_core.runs.training.initial import check_initial
from resnet_core.telling import doing, say, show, warn
from search import confirm
from search.export import StateLost, export, say_what_is_written
from search.listing import confirmed_table, numbers, ranked_in, shown, trials_table
from search.live import Live
from search.objectives import for_keras_tuner
from search.oracles import ORACLES, oracle
from search.pace import Pace
from search.proposals import Proposals
from search.replay import replay
from search.request import Search

STATE = "oracle.json"
SHOWN = 10  # trials in the table at the end


def run(search: Search, execution: Execution, *, best: int, seeds: int) -> list[Run]:
    """Execute the remaining trials, confirm the best, and print the results.

    Args:
        search: The search.
        execution: How runs are executed.
        best: Number of networks that are trained with fresh seeds, each beside its twin.
        seeds: Number of fresh seeds.

    Returns:
        The runs with fresh seeds, however they ended.

    Raises:
        UserError: The search is impossible, in which case nothing is written; or no trial was completed.
    """
    with doing("reading the data"):
        search = _with_data(search, execution)
    store = Store(search.root)
    store.check_base(search.plan().base)
    if search.train.initial_weights:
        with doing("reading the weights"):
            threads = (store.plan() or search.plan()).threads
            check_initial([search.run_of(search.space.active({}))], threads, search.space.published or None)
    store.root.mkdir(parents=True, exist_ok=True)
    with _alone(store):
        _propose(search, execution, store, Pace(search.objectives, best, seeds))
    plan = store.plan()
    if plan is None:
        raise UserError("a search must have a trial, but the budget lets none begin; give it more")
    records = list(store.records())
    show(trials_table(search.root, SHOWN))
    ranked = ranked_in(search.root)
    if not ranked:
        raise UserError(_none_completed(search, records))
    say(f"{len(records)} trials recorded; report: resnet-report {search.root}")
    if not best:
        return []
    places = numbers(plan)
    chosen = [(places[record.run.id], record) for record in ranked[:best]]
    if len(chosen) < best:
        say(f"of the {best} networks to confirm, only {len(chosen)} completed their trials")
    return _confirm(search, execution, chosen, seeds)


def _with_data(search: Search, execution: Execution) -> Search:
    """Read the data, and return the search with their description.

    Raises:
        UserError: The data do not fit the search.
    """
    check_writable(search.root)
    source = job.source(*asked_data(search.train, execution))
    search = replace(search, data=source.info)
    search.check()
    images, sha256 = job.content_of(*asked_data(search.train, execution))
    search = replace(search, data=source.info, train=search.train.replace(data_sha256=sha256))
    search.check()  # decoding may have left some images out
    job.prepared(images, job.of_data(search.train))
    say(search.data.split(search.train).line)
    return search


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Context manager that holds the claim of a search's launcher. On an interrupt it prints the number of trials.

    Raises:
        UserError: Another launcher holds the claim.
    """
    lease = store.claim("search")
    try:
        lease.acquire_when_expired(
            lambda: say(f"{store.root} has a launcher, here or elsewhere; waiting a minute to see whether it is alive")
        )
    except Timeout:
        raise UserError(f"a search must have one launcher, but another uses {store.root}; wait for it") from None
    try:
        yield
    except KeyboardInterrupt:
        count = len(store.survey().statuses)
        warn(f"interrupted; {count} trials recorded; the same command continues")
        raise
    finally:
        lease.release()


def _confirm(search: Search, execution: Execution, chosen: Sequence[tuple[int, Record]], seeds: int) -> list[Run]:
    """Train the best trials and their twins with fresh seeds, write the best network, and return the runs."""
    runs = confirm.confirming(search, chosen, seeds)
    plan, root = confirm.plan_of(search, chosen, runs), search.root / confirm.FOLDER
    images = trained_on(search.train, search.data)
    fill(plan, runs, root, replace(execution, keep_states=True), images)
    show(confirmed_table(root))
    print_verdicts(root)
    with doing("writing the best network, and measuring it by class"):
        paths = _exported(search, execution, Store(root), {run.id for run in runs})
    say_what_is_written(paths, root)
    return runs


def _none_completed(search: Search, records: Sequence[Record]) -> str:
    """Return the error message for a search without a completed trial, with advice."""
    ended = Counter(record.status for record in records)
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in ended.most_common())
    advice = ", ".join(ADVICE[status] for status, _ in ended.most_common())
    where = f" (resnet-ablate status {search.root} --messages)" if set(ended) & set(FAILED) else ""
    return f"a search must have a completed trial, but of {len(records)} none was: {counts}; {advice}{where}"


def _propose(search: Search, execution: Execution, store: Store, pace: Pace) -> None:
    """Execute trials until the budget is spent or the space is exhausted."""
    survey = store.survey(whole=True)
    set_aside(store, survey)
    budget, plan, kept = search.budget, search.plan(), store.plan()
    threads = kept.threads if kept else plan.threads
    if kept and not _is_whole(search, store):
        say(f"{store.root / STATE} is reconstructed from the plan and the records of the {len(kept.runs)} trials")
        _replay(search, execution, store, kept, survey)
    with doing("loading the oracle"):
        proposes = _oracle(search, budget.trials)
        proposes._set_project_dir(str(store.root.parent.absolute()), store.root.name)
        if (store.root / STATE).exists():
            proposes.reload()
    proposals = Proposals(
        proposes, search.run_of, plan, store, search.objectives, budget, search.accepts.add, survey.lost, pace,
        prune=search.prune,
    )  # fmt: skip
    if not proposals.left:
        return _believe(search, store, proposes)
    check_mixed(store, survey, execution)
    middle = search.run_of(search.space.active({}))
    seconds = proposals.left * (
        train_seconds(middle, trained_on(search.train, search.data), threads) + start_seconds(middle)
    )
    name, settings = execution.job(proposals.left, seconds, threads, store, survey.lost)
    settings = replace(settings, keep_states=ORACLES[search.oracle].fidelities)
    pace.begin(settings.workers, store.records())
    with Live(budget.trials, search.objectives, pace) as live:
        carry_out(proposals, name, settings, live, execution.log)
    _believe(search, store, proposes)


def _believe(search: Search, store: Store, proposes: Any) -> None:
    """Write what the oracle of a replicated search believes, and print it of the best point."""
    if not search.replicates:
        return
    plan = store.plan()
    places = numbers(plan) if plan else {}
    beliefs = [
        {"run": search.run_of(proposes.trials[each.trial].hyperparameters.values).id, "value": each.value,
         "probability": each.probability, "measured": each.measured}
        for each in proposes.beliefs()
    ]  # fmt: skip
    believed.write(store.root, beliefs)
    if beliefs:
        best, goal = beliefs[0], search.objectives[0].name
        say(
            f"trial {places[best['run']]} is believed to be the best, with a {goal} of {shown(goal, best['value'])} "
            f"(trained with {counted(best['measured'], 'seed')}); it is the best of the {len(beliefs)} networks that "
            f"were tried with a probability of {best['probability']:.2f}"
        )


def _exported(search: Search, execution: Execution, store: Store, ids: set[str]) -> list[Path]:
    """Write the best network as files. If the last state of its run is lost, the run is executed again."""
    try:
        return export(search.root, store, ids, search.objectives[0])
    except StateLost as lost:
        say(f"the last state of ({lost.run.label}), which has the weights, is lost; it is trained again")
        plan, attempts = store.plan(), {lost.run.id: store.survey().next_attempt(lost.run.id)}
        keeping = replace(execution, keep_states=True)
        execute_all(
            [lost.run], {lost.run.id: start_seconds(lost.run)}, keeping, store, plan.threads if plan else 1, attempts
        )
        return export(search.root, store, ids, search.objectives[0])


def _oracle(search: Search, trials: int) -> Any:
    """Return the oracle of a search in its state before the first trial."""
    space = search.space.hyperparameters.copy()
    return oracle(
        search.oracle, for_keras_tuner(search.objectives), space, trials, search.seed,
        accepts=search.accepts, starts=search.starts, **search.options,
    )  # fmt: skip


def _is_whole(search: Search, store: Store) -> bool:
    """Return whether the oracle's state exists and is intact. A damaged state is set aside with a warning."""
    from search.oracles.state import DamagedState  # loads TensorFlow

    path = store.root / STATE
    if not path.exists():
        return False
    probe = _oracle(search, search.budget.trials)
    probe._set_project_dir(str(store.root.parent.absolute()), store.root.name)
    try:
        probe.reload()
        for trial in probe.trials.values():
            _check_trial(search, trial, path)
    except DamagedState as error:
        say(str(error).partition(";")[0])
        store.set_aside((Damaged(path, str(error)),))
        return False
    return True


def _check_trial(search: Search, trial: Any, path: Path) -> None:
    """Check that the values of a trial belong to the space.

    Raises:
        DamagedState: The function of the space raises an error with these values.
    """
    from search.oracles.state import DamagedState

    try:
        search.run_of(trial.hyperparameters.values)
    except UserError:  # another space, or an unknown block, which is reported later
        return
    except Exception as error:
        raise DamagedState(
            f"a search is continued from its oracle.json, but {path} is damaged (trial {trial.trial_id}: {error!r}); "
            "choose another folder"
        ) from error


def _replay(search: Search, execution: Execution, store: Store, kept: Plan, survey: Survey) -> None:
    """Reconstruct the state of the oracle. Runs whose records are lost, but needed, are executed again."""
    anew = _oracle(search, max(search.budget.trials, len(kept.runs)))

    def recorded(run: Run) -> bool:
        return store.has(run.id, survey.lost.get(run.id, 1))

    def record_of(run: Run) -> Record:
        if not recorded(run):
            execute_all([run], {run.id: start_seconds(run)}, execution, store, kept.threads, survey.lost)
        return next(record for record in store.records() if record.run.id == run.id)

    replay(anew, kept.runs, search.run_of, record_of, recorded, search.objectives, search.accepts.add)
    anew.max_trials = search.budget.trials
    anew._set_project_dir(str(store.root.parent.absolute()), store.root.name)
    anew.save()

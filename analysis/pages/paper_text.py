"""Texts for a paper, written from a study's records: methods, and answers to a reproducibility checklist."""

from collections.abc import Mapping

import pandas as pd

from analysis.judging.contrasts import mixed_versions
from analysis.statistics import CONFIDENCE
from analysis.study import StudyRecords
from analysis.tables import varied
from resnet_core.runs.records.versions import PACKAGES

PAPERS = {
    "He et al. 2015": """@inproceedings{he2016deep,
  author = {He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian},
  title = {Deep Residual Learning for Image Recognition},
  booktitle = {CVPR}, year = {2016}, eprint = {1512.03385}, archiveprefix = {arXiv}
}""",
    "He et al. 2016": """@inproceedings{he2016identity,
  author = {He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian},
  title = {Identity Mappings in Deep Residual Networks},
  booktitle = {ECCV}, year = {2016}, eprint = {1603.05027}, archiveprefix = {arXiv}
}""",
    "Zagoruyko": """@inproceedings{zagoruyko2016wide,
  author = {Zagoruyko, Sergey and Komodakis, Nikos},
  title = {Wide Residual Networks},
  booktitle = {BMVC}, year = {2016}, eprint = {1605.07146}, archiveprefix = {arXiv}
}""",
    "Xie": """@inproceedings{xie2017aggregated,
  author = {Xie, Saining and Girshick, Ross and Doll{\\'a}r, Piotr and Tu, Zhuowen and He, Kaiming},
  title = {Aggregated Residual Transformations for Deep Neural Networks},
  booktitle = {CVPR}, year = {2017}, eprint = {1611.05431}, archiveprefix = {arXiv}
}""",
    "Hu et al": """@inproceedings{hu2018squeeze,
  author = {Hu, Jie and Shen, Li and Sun, Gang},
  title = {Squeeze-and-Excitation Networks},
  booktitle = {CVPR}, year = {2018}, eprint = {1709.01507}, archiveprefix = {arXiv}
}""",
    "Huang": """@inproceedings{huang2016deep,
  author = {Huang, Gao and Sun, Yu and Liu, Zhuang and Sedra, Daniel and Weinberger, Kilian},
  title = {Deep Networks with Stochastic Depth},
  booktitle = {ECCV}, year = {2016}, eprint = {1603.09382}, archiveprefix = {arXiv}
}""",
    "Zhang": """@inproceedings{zhang2019fixup,
  author = {Zhang, Hongyi and Dauphin, Yann N. and Ma, Tengyu},
  title = {Fixup Initialization: Residual Learning Without Normalization},
  booktitle = {ICLR}, year = {2019}, eprint = {1901.09321}, archiveprefix = {arXiv}
}""",
    "De and Smith": """@inproceedings{de2020batch,
  author = {De, Soham and Smith, Samuel L.},
  title = {Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks},
  booktitle = {NeurIPS}, year = {2020}, eprint = {2002.10444}, archiveprefix = {arXiv}
}""",
}
"""BibTeX entries by the beginning of a study's source, or of the source of a field's value."""
BLOCKS = (
    ("net.cardinality", lambda value: value not in (1, None), "Xie"),
    ("net.se_reduction", bool, "Hu et al"),
    ("net.survival", lambda value: value not in (1.0, None), "Huang"),
    ("net.branch_scale", lambda value: value == "fixup", "Zhang"),
    ("net.branch_scale", lambda value: value == "skipinit", "De and Smith"),
    ("net.order", lambda value: value not in ("original", None), "He et al. 2016"),
)
"""Fields of networks, conditions on their values, and the papers that these values come from."""


def methods(study: StudyRecords, by_name: Mapping[str, pd.DataFrame]) -> str:
    """Return a paragraph on design, seeds, tests, corrections, failed runs, versions and hardware."""
    planned, runs = study.planned, study.runs
    levels = "; ".join(
        f"{name} ({', '.join(map(str, planned[name].unique()))})" for name in varied(planned, study.factors)
    )
    arms = planned.groupby(study.factors, observed=True, dropna=False).ngroups
    data = study.plan.data
    images = (
        f", with {data.train_images:,} training, {data.validation_images:,} validation and {data.test_images:,} test "
        "images" if data else ""
    )  # fmt: skip
    names = " and ".join(map(str, runs["train.data"].unique())) if "train.data" in runs else "the data"
    claims = len(by_name["verdicts"])
    judged = (
        f" The {claims} claims are part of the study's plan. Each is judged by a two-sided paired t-test over the "
        f"seeds, and by exact tests of how often training fails, at {100 * (1 - CONFIDENCE):.0f} % for all claims and "
        "looks together (Holm's method)." if claims else ""
    )  # fmt: skip
    return (
        f"The design varies {levels or 'nothing'}: {arms} arms, each trained on {names}{images} with "
        f"{planned['seed'].nunique()} "
        "seeds; a seed sets the initial weights and the order of the images, and arms are compared seed by seed. "
        f"Intervals are of Student's t, at {100 * CONFIDENCE:.0f} %.{judged} {_failed(study)} {_made_with(runs)}"
    )


def _failed(study: StudyRecords) -> str:
    status = study.runs["status"]
    counts = status[status != "completed"].value_counts().sort_index()
    missing = len(study.planned) - len(study.runs)
    parts = [f"{count} {str(name).replace('_', ' ')}" for name, count in counts.items()]
    parts += [f"{missing} have no record yet"] if missing else []
    done = f"Of {len(study.planned)} runs, {int((status == 'completed').sum())} completed"
    return f"{done}{'; ' + ', '.join(parts) if parts else ''}; what failed is in no mean."


def _made_with(runs: pd.DataFrame) -> str:
    def values(name: str) -> str:
        column = f"environment.{name}"
        return " and ".join(sorted(map(str, runs[column].dropna().unique()))) if column in runs else ""

    packages = ", ".join(f"{name} {values(name)}" for name in ("python", *PACKAGES) if values(name))
    hardware = ", ".join(filter(None, (values("processor"), values("accelerators"))))
    seconds = f"; all runs took {runs['seconds'].sum() / 60:.3g} minutes of wall time" if "seconds" in runs else ""
    return f"Made with {packages or 'versions that are not recorded'}{f', on {hardware}' if hardware else ''}{seconds}."


def checklist(study: StudyRecords, by_name: Mapping[str, pd.DataFrame]) -> str:
    """Return the answers to a reproducibility checklist, as Markdown."""
    runs, plan = study.runs, study.plan
    commits = runs.get("environment.commit", pd.Series(dtype=object)).dropna().unique()
    changed = runs.get("environment.uncommitted_changes", pd.Series(dtype=object)).fillna(False).astype(bool).any()
    content = runs.get("train.data_sha256", pd.Series(dtype=object)).dropna().unique()
    threads = plan.threads
    shorter = f", by trials of {plan.trial_share:.3g} of the length of a run" if plan.trial_share != 1 else ""
    tuning = (
        f"on validation images, before the seeds ran{shorter}" if plan.tuning else "not; they were set before the runs"
    )
    answers = {
        "How many runs, and how were seeds chosen?": f"{len(study.planned)}; seeds 0 to {study.planned['seed'].max()}.",
        "Is every run reported?": _failed(study),
        "Are intervals given, and of what?": "95 % of Student's t over the seeds; see the tables.",
        "Were hyperparameters chosen, on what?": f"Learning rates: {tuning}.",
        "Which data, in which version?": ", ".join(map(str, runs.get("train.data", pd.Series(dtype=object)).unique()))
        + "".join(f"; SHA-256 of the content {digest}" for digest in content),
        "Which code?": ", ".join(f"commit {digest}" for digest in commits if digest) or "no commit is recorded",
        "Were there uncommitted changes?": "yes" if changed else "no, as far as recorded",
        "Which versions and hardware?": _made_with(runs),
        "Were several versions mixed?": mixed_versions(runs, set(runs["run"])) or "no",
        "How can it be repeated?": "; ".join(f"`{digest}`" for digest in plan.commands)
        + f", on {threads} thread(s) a run",
    }
    rows = [f"- **{question}** {answer}" for question, answer in answers.items()]
    return "\n".join(["# Reproducibility", "", *rows, ""])


def references(study: StudyRecords) -> str:
    """Return BibTeX of the paper that is the source of the question, and of the papers whose blocks are used."""
    used = [name for name in PAPERS if name in study.plan.source]
    used += ["He et al. 2015"]
    for column, is_of, name in BLOCKS:
        if column in study.runs and any(is_of(value) for value in study.runs[column].dropna().unique()):
            used.append(name)
    return "\n\n".join(PAPERS[name] for name in dict.fromkeys(used)) + "\n"

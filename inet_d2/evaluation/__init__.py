"""Evaluation of person search: metrics, protocols, saved predictions and the evaluator."""

from inet_d2.evaluation.predictions import ContextPredictions, SearchPredictions
from inet_d2.evaluation.reid_evaluator import PersonReIDEvaluator
from inet_d2.evaluation.results_table import format_results
from inet_d2.evaluation.scoring import SearchScores, load_scoring_data, score_predictions
from inet_d2.evaluation.search_evaluator import PersonSearchEvaluator

__all__ = [
    "ContextPredictions",
    "PersonReIDEvaluator",
    "PersonSearchEvaluator",
    "SearchPredictions",
    "SearchScores",
    "format_results",
    "load_scoring_data",
    "score_predictions",
]

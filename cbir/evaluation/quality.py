"""Names the few figures by which runs are compared."""

QUALITY = ("map@10", "recall@10", "micro_ap", "threshold_precision", "threshold_recall")
LEADING = {  # by the file of a stage, its figures and the names that they have beside those of others
    "metrics.json": {
        name: name
        for name in (
            *QUALITY,
            *("hit_rate@1", "mrr", "ndcg@10", "embedding_map@10", "recall_at_p90"),
            *("threshold", "threshold_f1", "calibration_error", "class_f1"),
        )
    },
    "group.json": {name: name for name in ("groups", "images_in_groups", "expected_precision")},
    "robustness.json": {"recall@1": "robustness_recall@1"},
}

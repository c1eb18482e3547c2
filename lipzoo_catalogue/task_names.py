"""Names of what models do, as `config.json` and `metrics.json` have them."""

CLASSIFICATION = "classification"
RECONSTRUCTION = "reconstruction"
TASK_NAMES = (CLASSIFICATION, RECONSTRUCTION)

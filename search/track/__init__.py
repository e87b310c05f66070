"""How does MLflow see a run? The door to mlflow."""

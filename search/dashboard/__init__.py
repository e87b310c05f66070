"""How does Optuna's dashboard see a run?"""

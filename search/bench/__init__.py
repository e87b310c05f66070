"""How good is the search? The unchanged search runs on benchmark problems whose truth is known.

``problems`` says what a training would give, ``searches`` runs the real loop on it, ``estimators`` reads a front from
the same trainings in other ways, ``score`` compares with the truth. No Ray, torch or MLflow.
"""

"""The unchanged search over tables whose truth is known: how good is what it reports, and how often is it wrong?

``worlds`` says what a training would give, ``searches`` runs the real loop over it, ``reporting`` reads a front off the same
trainings in other ways, ``score`` compares with the truth. No Ray, torch or MLflow.
"""

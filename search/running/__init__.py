"""How does one run begin, train and end? The parts from which a session is assembled."""

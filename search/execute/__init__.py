"""How is it trained? Workers, evaluators, signals."""

"""How far a model is from a people's answers: suites, elicitation, scores and figures."""

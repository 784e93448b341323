"""The workshop kit, made from the lessons: run sheets, slides, copies for learners, cards, what a class needs."""

"""Print the texts of a lesson in its old form as YAML: `python tests/convert_texts.py 05`. To be deleted with it."""

import importlib
import sys

import yaml


def main(number):
    module = importlib.import_module(f"course_lib.exercises.lesson_{number}")

    def asked(item):
        options = {key: {"says": text, "because": item.because[key]} for key, text in item.options.items()}
        answer = {"answer": item.answer} if getattr(item, "answer", "") else {}
        return {"text": item.text, "options": options} | answer

    content = {
        "title": module.TITLE,
        "exercises": {item.name: item.texts for item in module.EXERCISES},
        "predictions": {item.name: asked(item) for item in module.QUESTIONS},
        "quizzes": {item.name: asked(item) for item in getattr(module, "QUIZZES", ())},
    }
    print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100), end="")


if __name__ == "__main__":
    main(sys.argv[1])

"""One Chinese word for one thing, the field's own, in everything that a learner reads aloud."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
STANDARD = {  # what a translation slips into: what the field says
    "跨注意力": "交叉注意力", "掩蔽自注意力": "掩码自注意力", "[动静]态mask": "动态掩码、静态掩码", "大batch": "大批量",
    "满长序列": "长度满512的序列", "种子区间": "多个随机种子的置信区间", "标签右移": "输入右移一位，标签为下一个词元",
    "回填": "接回输入", "头宽的平方根": "√d_k（每个头的维度）", "是模型更差吗": "说明模型更差吗",
    "掩码下一次前向": "在因果掩码下，一次前向计算", "[一-鿿]token": "词元",
}  # fmt: skip
NOTES = ("heading", "“跨注意力”")  # the notes' own words: headings of the drill, and one entry of the glossary


def spoken(path):
    """List the Chinese texts of a file: of a notebook its markdown cells, of data all values but the notes' words."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    found, left = [], [yaml.safe_load(path.read_text(encoding="utf-8"))]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [value for key, value in one.items() if key != NOTES[0]]
        elif isinstance(one, list):
            left += one
        else:
            found.append(str(one).replace(NOTES[1], ""))
    return found


@pytest.mark.parametrize("path", [*sorted(ROOT.glob("notebooks/*.ipynb")), *sorted(ROOT.glob("data/*.yaml"))],
                         ids=lambda path: path.stem)  # fmt: skip
def test_chinese_says_it_as_the_field_does(path):
    slips = [
        f"{found.group()} -> {better}: {text[max(0, found.start() - 12) : found.end() + 12]!r}"
        for text in spoken(path) for slip, better in STANDARD.items() for found in re.finditer(slip, text)
    ]  # fmt: skip
    assert not slips, "\n".join(slips)

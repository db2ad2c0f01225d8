"""A run at whose tables several languages are spoken, as an interpreter and the renderings of statements leave it."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import col, update

from culturepark.store.tables import (
    DialogueRow,
    RenderingRow,
    SampleRow,
    StatementRenderingRow,
    StatementRow,
    TurnRow,
)
from tests.support.fakes import ELIF, JENNA, FakeModel, Held, answering, hold_said, judged

ARABIC = (
    "عندنا في عمّان نستقبل الضيف بالقهوة السادة ثلاث مرّات، ولا يُسأل عن حاجته قبل أن يشرب؛ أمّا في WhatsApp فالأمر "
    "مختلف (خصوصًا سنة 2024) عند الشباب."
)
BENGALI = "আমাদের বাড়িতে অতিথি এলে আগে জল আর মিষ্টি দেওয়া হয়, তারপর গল্প; শ্রদ্ধা আর আতিথেয়তা ছাড়া কিছুই হয় না, বিশেষ করে বৃষ্টির দিনে।"
CHINESE = "在我们家里，客人进门都要先喝一杯热茶，长辈不动筷子，晚辈就不能先吃；这是从小学会的规矩。"
KOREAN = "저희 집에서는 손님이 오시면 먼저 따뜻한 차를 드리고, 어른이 수저를 드신 다음에야 저희가 먹기 시작해요."
TURKISH = "IĞDIR'da misafire önce çay verilir; istemem derse bir daha sorulur, ışık söndürülmez, kapı açık bırakılır."
SAID = (("ar", ARABIC), ("bn", BENGALI), ("zh", CHINESE), ("ko", KOREAN), ("tr", TURKISH))
ENGLISH = {
    "ar": "With us in Amman a guest is given plain coffee three times before anybody asks what brings him.",
    "bn": "With us a guest is first given water and sweets, and then we talk.",
    "zh": "At our home a guest drinks a cup of hot tea first.",
    "ko": "At our home we serve a guest warm tea first.",
    "tr": "In Iğdır a guest is given tea first.",
}
GERMAN = {code: f"Auf Deutsch: {text}" for code, text in ENGLISH.items()}


def hold_tongues(folder: Path) -> Held:
    """One dialogue of several languages, with a statement and a sample of each turn, all rendered into English."""

    def mined(asked: dict[str, object]) -> dict[str, object]:
        turns: list[dict[str, str]] = asked["turns"]  # type: ignore[assignment]
        return {
            "statements": [
                {
                    "turn": turn["turn"],
                    "kind": "custom",
                    "quote": turn["text"][:40],
                    "statement": turn["text"],
                    "first_person": turn["text"],
                }
                for turn in turns
            ]
        }

    said = [((JENNA, ELIF)[number % 2], text) for number, (_, text) in enumerate(SAID)]
    held = hold_said(folder, said, FakeModel(answering(statements=mined, verdicts=judged)))
    codes = {f"{held.run_id}.d1.t{number}": code for number, (code, _) in enumerate(SAID, start=1)}
    with held.store.database.writing() as session:
        session.execute(update(DialogueRow).values(language="mul"))
        for turn_id, code in codes.items():
            session.execute(update(TurnRow).where(col(TurnRow.id) == turn_id).values(language=code))
            for language, words in (("en", ENGLISH), ("de", GERMAN)):
                session.add(RenderingRow(turn_id=turn_id, language=language, text=words[code]))
    statements = held.rows(StatementRow)
    with held.store.database.writing() as session:
        for row in statements:
            code = codes[row.turn_id]
            session.execute(update(StatementRow).where(col(StatementRow.id) == row.id).values(language=code))
            session.execute(update(SampleRow).where(col(SampleRow.statement_id) == row.id).values(language=code))
            told = {"text": ENGLISH[code], "first_person": ENGLISH[code], "question": "What do guests get?"}
            agrees = code != "zh"
            session.add(
                StatementRenderingRow(
                    statement_id=row.id,
                    language="en",
                    agrees=agrees,
                    difference=None if agrees else "the elders",
                    **told,
                )
            )
    return held

// Who speaks: the card, the stance drawn, and the survey shares it was drawn from.

function personaPart(talk, key) {
  const card = person(key);
  const seat = talk.people.find((one) => one.key === key);
  if (!card) return [make("p", { class: "small" }, tr("No card: this is nobody’s speech but the moderator’s, or that of the person at the keyboard."))];
  const facts = [
    [tr("Lives in"), `${card.place}, ${card.land} (${card.settlement}, ${card.region})`], ...(card.household ? [[tr("Lives with"), card.household]] : []), [tr("Work"), card.work], [tr("Schooling"), card.schooling],
    [tr("Faith"), `${card.faith}; ${card.observance}`], [tr("Generation"), card.generation], [tr("Languages"), card.languages.join(", ")],
    [tr("Talks"), `${card.speech.directness}, ${card.speech.formality}; ${card.speech.manner}`],
  ];
  return [
    make("h3", {}, bdi(card.name), make("span", { class: "small" }, ` ${card.age}, ${card.gender}, ${card.culture} ${card.role === "main" ? tr("main contact") : tr("delegate")}`)),
    make("p", { class: "scope" }, make("strong", {}, tr("Speaks for whom: ")), make("span", { dir: "auto" }, card.scope)),
    seat ? stancePart(seat, card) : null,
    make("dl", { class: "card" }, facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, value)))),
    make("h4", {}, tr("What matters")),
    make("ul", {}, card.values.map((one) => make("li", { dir: "auto" }, make("b", {}, one.value), ": ", one.why))),
    card.sayings ? make("h4", {}, tr("What this person would say aloud")) : null,
    card.sayings ? make("ul", {}, card.sayings.map((one) => make("li", {}, make("q", { dir: "auto", lang: one.language }, one.text), " ",
      make("span", { class: "small" }, one.english)))) : null,
    make("h4", {}, tr("Norms and customs from home")),
    make("ul", {}, card.norms.map((one) => make("li", { dir: "auto" }, one.text, " ",
      make("span", { class: "small" }, `${one.kind}, ${one.topic}${one.source ? `; ${one.source}` : ""}`)))),
    card.episodes ? make("details", { class: "scenes" }, make("summary", {}, plural(card.episodes.scenes.length, "remembered scene")),
      make("p", { class: "small", dir: "auto" }, card.episodes.origin),
      make("ul", {}, card.episodes.scenes.map((one) => make("li", { dir: "auto" },
        make("span", { class: "small" }, [one.when, one.where, one.who].join("; ")), make("br"), one.text)))) : null,
    make("p", { class: "small" }, identity(card.key)),
  ];
}

function stancePart(seat, card) {
  if (!seat.stance) return make("p", { class: "small" }, tr("No stance was drawn: no survey answers from {country} stand behind this question.", { country: card.land }));
  return make("div", { class: "drawn" },
    make("p", {}, make("strong", {}, tr("Stance drawn: ")), make("q", { dir: "auto" }, seat.stance)),
    seat.shares.length ? make("table", { class: "stance" },
      make("caption", {}, tr("Answers in {country}, by the survey", { country: card.land })),
      make("tbody", {}, seat.shares.map(([code, label, share]) =>
        make("tr", { class: code === seat.code ? "own" : null },
          make("th", { scope: "row", dir: "auto" }, code === seat.code ? "➤ " : "", label, code === seat.code ? make("span", { class: "sr" }, tr(" (drawn)")) : null),
          make("td", { class: "bars" }, bar(share, "survey")), make("td", { class: "number" }, percent(share)))))) : null);
}

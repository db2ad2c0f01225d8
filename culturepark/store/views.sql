-- Views of a store for SQLite and DuckDB, printed by `culturepark views`. They are temporary, so that a file that may
-- not be written has them too, and no upgrade of the store meets them. Each is a canned query in Datasette.

-- Rows, with what is behind them
-- Each kept sample: prompt and answer, who says it, the words that it rests on, where its content comes from.
CREATE TEMP VIEW row_view AS
SELECT
  sample.id AS sample,
  dialogue.run_id AS run,
  sample.culture AS culture,
  participant.country AS country,
  participant.name AS person,
  sample.kind AS shape,
  statement.kind AS kind,
  dialogue.seed_key AS seed,
  participant.stance_text AS stance,
  sample.provenance AS provenance,
  statement.source AS card_line,
  sample.flags AS flags,
  CASE WHEN (sample.messages ->> '$[0].role') = 'system' THEN (sample.messages ->> '$[0].content') END AS system,
  CASE WHEN (sample.messages ->> '$[0].role') = 'system' THEN (sample.messages ->> '$[1].content')
       ELSE (sample.messages ->> '$[0].content') END AS prompt,
  (sample.messages ->> '$[#-1].content') AS answer,
  statement.quote AS quote,
  turn.id AS turn,
  turn.text AS said,
  turn.call_id AS call
FROM sample
JOIN statement ON statement.id = sample.statement_id
JOIN turn ON turn.id = statement.turn_id
JOIN dialogue ON dialogue.id = turn.dialogue_id
JOIN participant ON participant.dialogue_id = dialogue.id AND participant.persona_key = statement.persona_key
WHERE sample.status = 'kept'
ORDER BY dialogue.run_id, dialogue.number, turn.position, sample.id;

-- From statements to rows, by culture
-- For each run and culture: statements of all rounds, those that made samples, and what became of the samples.
CREATE TEMP VIEW funnel_view AS
SELECT
  dialogue.run_id AS run,
  statement.culture AS culture,
  count(DISTINCT statement.id) AS statements,
  count(DISTINCT sample.statement_id) AS statements_with_samples,
  count(DISTINCT CASE WHEN sample.status = 'kept' THEN sample.statement_id END) AS statements_kept,
  count(DISTINCT sample.id) AS samples,
  count(DISTINCT CASE WHEN sample.status = 'kept' THEN sample.id END) AS samples_kept,
  count(DISTINCT CASE WHEN sample.status = 'dropped' THEN sample.id END) AS samples_dropped,
  count(DISTINCT CASE WHEN sample.status = 'rejected' THEN sample.id END) AS samples_rejected
FROM statement
JOIN turn ON turn.id = statement.turn_id
JOIN dialogue ON dialogue.id = turn.dialogue_id
LEFT JOIN sample ON sample.statement_id = statement.id
GROUP BY dialogue.run_id, statement.culture
ORDER BY dialogue.run_id, statement.culture;

-- Why samples were dropped
-- Samples that were not kept, by run, culture, shape and reason.
CREATE TEMP VIEW dropped_view AS
SELECT
  dialogue.run_id AS run,
  sample.culture AS culture,
  sample.kind AS shape,
  sample.status AS status,
  sample.drop_reason AS reason,
  count(*) AS samples
FROM sample
JOIN statement ON statement.id = sample.statement_id
JOIN turn ON turn.id = statement.turn_id
JOIN dialogue ON dialogue.id = turn.dialogue_id
WHERE sample.status <> 'kept'
GROUP BY dialogue.run_id, sample.culture, sample.kind, sample.status, sample.drop_reason
ORDER BY samples DESC, run, culture, shape, reason;

-- Calls and cost, by stage
-- For each run, stage and model: requests, those that failed or were refused, and what they took. Cost is null where no
-- price is known.
CREATE TEMP VIEW cost_view AS
SELECT
  run_id AS run,
  stage,
  model,
  count(*) AS calls,
  count(error) AS failed,
  count(refused) AS refused,
  sum(prompt_tokens) AS prompt_tokens,
  sum(cached_tokens) AS cached_tokens,
  sum(completion_tokens) AS completion_tokens,
  sum(reasoning_tokens) AS reasoning_tokens,
  sum(cost_usd) AS cost_usd,
  sum(duration_ms) / 1000.0 AS seconds
FROM call_log
GROUP BY run_id, stage, model
ORDER BY run_id, stage, model;

-- Reviews, with the words that were judged
-- Judgements that were not taken back, the newest first, with the turn, statement or answer that they are about.
CREATE TEMP VIEW review_view AS
SELECT
  review.created_at AS created_at,
  review.reviewer AS reviewer,
  review.decision AS decision,
  review.rating AS rating,
  review.note AS note,
  review.wording AS wording,
  review.subject_id AS subject,
  coalesce(turn.text, statement.first_person, (sample.messages ->> '$[#-1].content')) AS words
FROM review
LEFT JOIN turn ON turn.id = review.subject_id
LEFT JOIN statement ON statement.id = review.subject_id
LEFT JOIN sample ON sample.id = review.subject_id
WHERE review.withdrawn_at IS NULL
ORDER BY review.created_at DESC;

-- What a model made up
-- Statements of kept samples that no line of a persona card carries, with the words that they rest on.
CREATE TEMP VIEW made_up_view AS
SELECT DISTINCT
  dialogue.run_id AS run,
  statement.id AS statement,
  statement.culture AS culture,
  participant.name AS person,
  statement.kind AS kind,
  statement.text AS text,
  statement.quote AS quote,
  turn.id AS turn
FROM sample
JOIN statement ON statement.id = sample.statement_id
JOIN turn ON turn.id = statement.turn_id
JOIN dialogue ON dialogue.id = turn.dialogue_id
JOIN participant ON participant.dialogue_id = dialogue.id AND participant.persona_key = statement.persona_key
WHERE sample.status = 'kept' AND sample.provenance = 'model'
ORDER BY run, culture, statement;

-- Figures of evaluations, beside their nulls
-- Each figure of an evaluation with its interval, what knowing nothing would score, the ceiling and the skill.
CREATE TEMP VIEW figure_view AS
SELECT
  evaluation.id AS evaluation,
  suite.name AS suite,
  evaluation.model AS model,
  evaluation.adapter AS adapter,
  figure.metric AS metric,
  figure.group_key AS "group",
  figure.value AS value,
  figure.low AS low,
  figure.high AS high,
  figure.n AS n,
  figure.null_name AS null_name,
  figure.null_value AS null_value,
  figure.ceiling AS ceiling,
  figure.skill AS skill
FROM figure
JOIN evaluation ON evaluation.id = figure.evaluation_id
JOIN suite ON suite.id = evaluation.suite_id
ORDER BY evaluation.created_at DESC, figure.metric, figure.group_key;

-- Answers of evaluations, with their scores
-- Each score of an answer, with the item, the condition and who answered; once without a score where it has none.
CREATE TEMP VIEW answer_view AS
SELECT
  answer.id AS answer,
  answer.evaluation_id AS evaluation,
  item.suite_id AS suite,
  item.key AS item,
  answer.culture AS culture,
  answer.country AS country,
  answer.framing AS framing,
  answer.language AS language,
  answer.reasoning AS reasoning,
  answer.arm AS arm,
  answer.respondent AS respondent,
  answer.repeat AS repeat,
  answer.text AS text,
  answer.choice AS choice,
  answer.probabilities AS probabilities,
  answer.outside_mass AS outside_mass,
  answer.abstained AS abstained,
  score.scorer AS scorer,
  score.value AS score,
  score.judge AS judge,
  answer.call_id AS call
FROM answer
JOIN item ON item.id = answer.item_id
LEFT JOIN score ON score.answer_id = answer.id
ORDER BY answer.evaluation_id, length(answer.id), answer.id, length(score.id), score.id;

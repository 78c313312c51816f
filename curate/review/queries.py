"""Questions that the decontamination report puts to the tables."""

TABLES = ("near_duplicates", "duplicate_thresholds", "eval_sets", "eval_images", "images", "sources")
"""Tables that must be there."""

OPTIONAL = (
    "duplicate_candidates", "planted_copies", "planted_recall", "eval_twins", "duplicate_reviews", "manifest",
    "exclusions", "evaluations",
)  # fmt: skip
"""Tables that are asked where they are there."""

# A copy may resemble several eval images; its surest pair stands for it.
SETUP = """
CREATE TEMP TABLE hits AS SELECT *, row_number() OVER (PARTITION BY eval_set, image_id
    ORDER BY method <> 'sha256', score DESC NULLS LAST, p_duplicate DESC NULLS LAST, eval_image_id) AS place
FROM near_duplicates;
CREATE TEMP TABLE reviews AS SELECT r.*, r.image_sha256 IS DISTINCT FROM i.sha256 AS is_stale
FROM duplicate_reviews AS r LEFT JOIN images AS i USING (image_id)
QUALIFY row_number() OVER (PARTITION BY r.image_id, r.eval_set, r.eval_image_id
    ORDER BY is_stale, r.reviewed_at DESC, r.review_id DESC) = 1;
"""

SETS = """
SELECT t.*, s.n_images AS n_eval_images, s.n_expected AS n_eval_expected, s.fingerprint,
    (SELECT count(*) FROM eval_images AS e WHERE e.eval_set = t.eval_set AND e.status = 'damaged') AS n_eval_damaged
FROM duplicate_thresholds AS t JOIN eval_sets AS s USING (eval_set) ORDER BY eval_set
"""

LEAKED = "SELECT DISTINCT eval_image_id FROM hits WHERE eval_set = $1 ORDER BY 1"

METHODS = "SELECT method, count(*) FROM hits WHERE eval_set = $1 AND place = 1 GROUP BY 1 ORDER BY 2 DESC, 1"

TRANSFORMS = """
SELECT coalesce(transform, if(method = 'sha256', 'identity', '')), count(*) FROM hits
WHERE eval_set = $1 AND place = 1 GROUP BY 1 ORDER BY 2 DESC, 1
"""

VERDICTS = """
SELECT CASE WHEN is_stale THEN 'stale' ELSE verdict END, count(*) FROM reviews WHERE eval_set = $1 GROUP BY 1
"""

UNHEARD = """
SELECT count(*) FROM hits AS h JOIN reviews AS r USING (image_id, eval_set, eval_image_id)
WHERE eval_set = $1 AND NOT r.is_stale AND h.verdict IS DISTINCT FROM r.verdict
"""

RECALL = """
SELECT transform, n_planted, n_found, recall, low, high FROM planted_recall WHERE eval_set = $1
ORDER BY transform <> '', recall DESC NULLS LAST, transform
"""

# Look-alikes inside an evaluation set are listed from both sides.
TWINS = """
SELECT count(DISTINCT (least(eval_image_id, other_id), greatest(eval_image_id, other_id))) FROM eval_twins
WHERE eval_set = $1 AND eval_image_id <> other_id AND (same_bytes OR score >= $2)
"""

# Lowest and highest score to be shown: hardly any corpus image's best is lower, and none is higher.
SCORE_RANGE = """
WITH best AS (SELECT max(score) AS score FROM duplicate_candidates WHERE eval_set = $1 GROUP BY image_id),
    every AS (SELECT score FROM best UNION ALL SELECT score FROM planted_copies WHERE eval_set = $1)
SELECT (SELECT quantile_disc(score, 0.02) FROM best WHERE score > 0), min(score), max(score) FROM every WHERE score > 0
"""

# 0 has no logarithm and falls into the first step; NULL has no step. (greatest() would take NULL for 0.)
_BIN = (
    "if({score} IS NULL, NULL, "
    "greatest(0, least(floor(ln(greatest({score}, $bottom) / $bottom) / $step), $n - 1)))::INTEGER"
)

# Images of which one candidate has equal bytes are counted apart (-1): their score says nothing.
CORPUS_SCORES = f"""
WITH best AS (SELECT image_id, bool_or(same_bytes) AS equal, max(score) AS score
    FROM duplicate_candidates WHERE eval_set = $eval_set GROUP BY image_id)
SELECT CASE WHEN equal THEN -1 ELSE {_BIN.format(score="score")} END, count(*) FROM best
WHERE equal OR score IS NOT NULL GROUP BY 1
"""

EVAL_SCORES = CORPUS_SCORES.replace("image_id, bool_or", "eval_image_id, bool_or").replace(
    "BY image_id", "BY eval_image_id"
)

PLANTED_SCORES = f"""
SELECT coalesce({_BIN.format(score="score")}, -1), count(*) FROM planted_copies WHERE eval_set = $eval_set GROUP BY 1
"""

OTHER_SCORES = f"""
SELECT {_BIN.format(score="other_score")}, count(*) FROM planted_copies
WHERE eval_set = $eval_set AND other_score IS NOT NULL GROUP BY 1
"""

# Sums of 1 - p in units of 1e-9, so that the order of rows does not show.
FALSE_SCORES = f"""
SELECT coalesce({_BIN.format(score="score")}, -1), sum(round(1e9 * (1 - p_duplicate))::BIGINT) / 1e9 FROM hits
WHERE eval_set = $eval_set AND place = 1 AND p_duplicate IS NOT NULL GROUP BY 1
"""

DONE = """
SELECT (SELECT count(DISTINCT image_id) FROM exclusions WHERE manifest_id = $2 AND class_key = ''
            AND rule = 'near_duplicate' AND image_id IN (SELECT image_id FROM hits WHERE eval_set = $1)),
       (SELECT count(*) FROM manifest WHERE manifest_id = $2
            AND image_id IN (SELECT image_id FROM hits WHERE eval_set = $1))
"""

ACCURACY = """
WITH own AS (SELECT metric, value, n_images FROM evaluations WHERE run_id = $2 AND eval_set = $1 AND class_key = '')
SELECT o.metric, o.value, c.value, l.value, o.n_images, coalesce(c.n_images, 0) FROM own AS o
JOIN own AS l ON l.metric = o.metric || '_lower' LEFT JOIN own AS c ON c.metric = o.metric || '_clean' ORDER BY o.metric
"""

PAIRS = """
SELECT p.eval_set, p.image_id, p.eval_image_id, p.method, p.score, p.p_duplicate, r.verdict, p.transform,
    p.rotation, p.scale, p.box_left, p.box_top, p.box_right, p.box_bottom, i.key,
    s.root, i.uri, i.byte_offset, i.byte_length, i.sha256,
    t.root, e.uri, e.byte_offset, e.byte_length, e.sha256
FROM {rows} AS p JOIN images AS i USING (image_id) JOIN sources AS s ON s.source = i.source
JOIN eval_images AS e ON e.eval_set = p.eval_set AND e.eval_image_id = p.eval_image_id
JOIN eval_sets AS t ON t.eval_set = p.eval_set
LEFT JOIN (FROM reviews WHERE NOT is_stale) AS r
    ON r.image_id = p.image_id AND r.eval_set = p.eval_set AND r.eval_image_id = p.eval_image_id
ORDER BY p.rank
"""
"""Pairs with all that pictures of them need; `rows` has the columns of near_duplicates and a rank."""

HITS = """(SELECT *, row_number() OVER (ORDER BY {order}, image_id) AS rank FROM (
    FROM hits WHERE eval_set = $1 AND place = 1 AND score IS NOT NULL ORDER BY {order}, image_id LIMIT $2))"""
"""Rows for PAIRS: copies in some order, those with equal bytes left out."""

# Of an image that is no hit the best candidate.
REJECTED = """(
    WITH best AS (SELECT image_id, max(score) AS score FROM duplicate_candidates WHERE eval_set = $1 AND score > 0
            AND image_id NOT IN (SELECT image_id FROM hits WHERE eval_set = $1)
        GROUP BY image_id ORDER BY score DESC, image_id LIMIT $2)
    SELECT *, '' AS method, NULL::DOUBLE AS p_duplicate, row_number() OVER (ORDER BY score DESC, image_id) AS rank
    FROM (FROM duplicate_candidates SEMI JOIN best USING (image_id, score) WHERE eval_set = $1
        QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY eval_image_id) = 1))"""
"""Rows for PAIRS: what came nearest to being held a copy."""

# The score that so many images reach without being held copies; NULL where none does.
NEXT_SCORE = """
SELECT min(score) FROM (SELECT max(score) AS score FROM duplicate_candidates WHERE eval_set = $eval_set
    GROUP BY image_id HAVING max(score) > 0 AND NOT bool_or(same_bytes) AND (max(score) < $below OR $below IS NULL)
    ORDER BY score DESC LIMIT $n)
"""

# Of each image that has no eval image's bytes the best pair, unless a sample has a verdict on it.
OPEN = """
WITH best AS (SELECT image_id, max(score) AS score FROM duplicate_candidates WHERE eval_set = $eval_set
    GROUP BY image_id HAVING max(score) >= $least AND NOT bool_or(same_bytes))
SELECT image_id, min(eval_image_id) AS eval_image_id
FROM duplicate_candidates SEMI JOIN best USING (image_id, score) WHERE eval_set = $eval_set
GROUP BY image_id HAVING (image_id, min(eval_image_id)) NOT IN (SELECT (image_id, eval_image_id) FROM reviews
    WHERE eval_set = $eval_set AND is_sampled AND NOT is_stale)
ORDER BY image_id
"""

CHOSEN = """(SELECT c.*, h.method, h.p_duplicate, chosen.rank FROM duplicate_candidates AS c
    JOIN chosen USING (image_id, eval_image_id) LEFT JOIN near_duplicates AS h USING (image_id, eval_set, eval_image_id)
    WHERE c.eval_set = $1)"""
"""Rows for PAIRS: what was drawn."""

NAMED = "SELECT DISTINCT {columns} FROM {table} SEMI JOIN named USING ({columns})"

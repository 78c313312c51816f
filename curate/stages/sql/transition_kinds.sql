-- What kind of mistake each confusion of `transitions` is: a word taken in another of its senses, a class beside the label's
-- in the hierarchy, any other class, or nothing that was recognised.
WITH confused AS (
    SELECT DISTINCT given_key, true_key FROM transitions WHERE true_key <> '' AND true_key <> given_key
), senses AS (
    SELECT DISTINCT surface, coalesce(kept_key, candidate) AS class_key
    FROM label_map LEFT JOIN rollups ON rollups.class_key = candidate
    WHERE candidate <> ''
), wrong_sense AS (
    SELECT DISTINCT given_key, true_key
    FROM confused
    JOIN senses AS g ON g.class_key = given_key
    JOIN senses AS t ON t.class_key = true_key AND t.surface = g.surface
), sibling AS (
    SELECT DISTINCT given_key, true_key
    FROM confused
    JOIN class_parents AS g ON g.class_key = given_key
    JOIN class_parents AS t ON t.class_key = true_key AND t.parent_key = g.parent_key
)
SELECT
    given_key, true_key, share, n,
    CASE
        WHEN true_key = given_key THEN 'right'
        WHEN true_key = '' THEN 'unknown'
        WHEN (given_key, true_key) IN (FROM wrong_sense) THEN 'wrong_sense'
        WHEN (given_key, true_key) IN (FROM sibling) THEN 'sibling'
        ELSE 'other_class'
    END AS kind
FROM transitions
ORDER BY given_key, true_key

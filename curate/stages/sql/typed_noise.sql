-- Estimates with what wrong labels seem to show: 1 - precision, shared out as the scores share out what they hold for wrong.
WITH wrong AS (
    SELECT
        given_key AS class_key,
        sum(share) FILTER (kind = 'wrong_sense') AS wrong_sense,
        sum(share) FILTER (kind = 'sibling') AS sibling,
        sum(share) FILTER (kind = 'other_class') AS other_class,
        sum(share) FILTER (kind <> 'right') AS total
    FROM kinds GROUP BY ALL
), shares AS (
    SELECT
        e.*,
        coalesce((1 - precision) * w.wrong_sense / nullif(total, 0), 0) AS wrong_sense,
        coalesce((1 - precision) * w.sibling / nullif(total, 0), 0) AS sibling,
        coalesce((1 - precision) * w.other_class / nullif(total, 0), 0) AS other_class
    FROM estimates AS e LEFT JOIN wrong AS w USING (class_key)
)
SELECT
    class_key, name, n_images, n_audited, precision, ci_low, ci_high, wrong_sense, sibling, other_class,
    greatest(1 - precision - wrong_sense - sibling - other_class, 0) AS unknown,
    method, evidence
FROM shares ORDER BY class_key

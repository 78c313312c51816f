-- Labels of the manifest: direct ones, those that stand for one that was rolled up, and where $inherit what either implies
-- upwards. An inherited label goes where its child goes, with the child's weight; the nearest child is named.
WITH own AS (
    SELECT image_id, class_key, CASE WHEN direct_key = class_key THEN 'direct' ELSE 'rolled_up' END AS origin, direct_key,
           weight, p_correct
    FROM fates WHERE rule IS NULL
), implied AS (
    SELECT o.image_id, a.ancestor_key AS class_key, 'inherited' AS origin,
           arg_min(o.direct_key, (a.distance, -o.p_correct, o.direct_key)) AS direct_key,
           max(o.weight) AS weight, max(o.p_correct) AS p_correct
    FROM own AS o JOIN ancestors AS a ON a.class_key = o.direct_key
    ANTI JOIN own AS there ON there.image_id = o.image_id AND there.class_key = a.ancestor_key
    WHERE $inherit AND a.distance > 0
    GROUP BY o.image_id, a.ancestor_key
)
SELECT k.*, d.class_id FROM (FROM own UNION ALL FROM implied) AS k JOIN decisions AS d USING (class_key)
WHERE d.class_id IS NOT NULL

-- Each direct label of two manifests with what became of it in either: kept, weighted (kept with p_correct as weight) or the
-- rule that left it out; absent where the manifest knows no such label. as_key is the class that it was rolled up to.
-- Labels of images that both leave out whole are in neither.
WITH held AS (
    SELECT side, image_id, unnest(class_keys) AS class_key, unnest(label_weights) AS weight FROM both_manifest
), fates AS (
    SELECT h.side, h.image_id, coalesce(o.direct_key, h.class_key) AS class_key,
           CASE WHEN h.weight < 1 THEN 'weighted' ELSE 'kept' END AS fate,
           CASE WHEN o.direct_key IS NOT NULL THEN h.class_key END AS as_key
    FROM held AS h LEFT JOIN both_manifest_origins AS o USING (side, image_id, class_key)
    WHERE o.origin IS DISTINCT FROM 'inherited'
    UNION ALL
    SELECT side, image_id, class_key, rule, NULL FROM both_exclusions WHERE class_key <> ''
), beside AS (
    SELECT image_id, class_key, any_value(fate) FILTER (side = 'old') AS old, any_value(fate) FILTER (side = 'new') AS new,
           any_value(as_key) FILTER (side = 'old') AS old_as, any_value(as_key) FILTER (side = 'new') AS new_as
    FROM fates GROUP BY image_id, class_key
), whole AS (
    SELECT image_id, any_value(rule) FILTER (side = 'old') AS old, any_value(rule) FILTER (side = 'new') AS new
    FROM both_exclusions WHERE class_key = '' GROUP BY image_id
)
SELECT b.image_id, b.class_key, coalesce(b.old, w.old, 'absent') AS old, coalesce(b.new, w.new, 'absent') AS new,
       b.old_as, b.new_as
FROM beside AS b LEFT JOIN whole AS w USING (image_id)

-- Labels that the selection may choose from, each under the class that it counts for. A label of a class that was rolled
-- up is one of the class above it (places), once per image: the image's own label of that class comes first. Over the cap
-- are the lowest scores of a class; among equal ones a hash of the image decides. rule is NULL for what is left. Only classes
-- that took others over, or have more labels than the cap, are put in order.
WITH placed AS (
    SELECT p.image_id, p.class_key AS direct_key, coalesce(u.place, p.class_key) AS class_key, p.p_correct
    FROM pairs AS p LEFT JOIN places AS u USING (class_key)
), merged AS (
    SELECT image_id, direct_key, 'merged' AS rule FROM placed SEMI JOIN places ON places.place = placed.class_key
    QUALIFY row_number() OVER (PARTITION BY image_id, class_key
                               ORDER BY direct_key = class_key DESC, p_correct DESC, direct_key) > 1
), once AS (
    FROM placed ANTI JOIN merged USING (image_id, direct_key)
), crowded AS (
    SELECT class_key FROM once WHERE $max_per_class IS NOT NULL GROUP BY class_key HAVING count(*) > $max_per_class
), over_cap AS (
    SELECT image_id, direct_key, 'over_cap' AS rule FROM once SEMI JOIN crowded USING (class_key)
    QUALIFY row_number() OVER (PARTITION BY class_key
                               ORDER BY p_correct DESC, md5_number_lower($seed || ':' || image_id), image_id)
            > $max_per_class
)
SELECT p.image_id, p.direct_key, p.class_key, p.p_correct, r.rule
FROM placed AS p LEFT JOIN (FROM merged UNION ALL FROM over_cap) AS r USING (image_id, direct_key)

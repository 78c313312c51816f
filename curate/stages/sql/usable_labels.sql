-- Labels that the selection may choose from, each under the class that it counts for. A label of a class that was rolled
-- up is one of the class above it (places), once per image: the image's own label of that class comes first. Over the cap
-- are the lowest scores of a class; among equal ones a hash of the image decides. rule is NULL for what is left.
WITH placed AS (
    SELECT p.image_id, p.class_key AS direct_key, coalesce(u.place, p.class_key) AS class_key, p.sha256, p.p_correct
    FROM pairs AS p LEFT JOIN places AS u USING (class_key)
), once AS (
    SELECT *, row_number() OVER (PARTITION BY image_id, class_key
                                 ORDER BY direct_key = class_key DESC, p_correct DESC, direct_key) > 1 AS again
    FROM placed
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY class_key, again
                                 ORDER BY p_correct DESC, md5_number_lower($seed || ':' || image_id), image_id) AS rank
    FROM once
)
SELECT image_id, direct_key, class_key, sha256, p_correct,
       CASE WHEN again THEN 'merged' WHEN rank > $max_per_class THEN 'over_cap' END AS rule
FROM ranked

-- Images that a manifest leaves out whole, one reason each: the first that applies. Copies of evaluation images stay
-- where $leaks is not 'drop'.
WITH reasons AS (
    SELECT image_id, 1 AS rank, 'forget' AS stage, 'tombstone' AS rule, kind || ': ' || reason AS detail
    FROM (  -- one join of each kind: a join on either would compare every image with every tombstone
        FROM images JOIN tombstones AS t ON t.kind = 'image_id' AND t.value = image_id
        UNION ALL FROM images JOIN tombstones AS t ON t.kind = 'sha256' AND t.value = sha256
        UNION ALL FROM images JOIN tombstones AS t ON t.kind = 'url' AND t.value = url
        UNION ALL FROM images JOIN tombstones AS t ON t.kind = 'owner' AND t.value = owner
    )
    UNION ALL
    SELECT image_id, 2, 'ingest', 'damaged', error FROM images WHERE status = 'damaged'
    UNION ALL
    SELECT image_id, 3, 'dedup', 'near_duplicate',
           format('copy of {}/{} by {} (similarity {:.3f})', eval_set, eval_image_id, method, similarity)
    FROM near_duplicates WHERE $leaks = 'drop'
    UNION ALL
    SELECT image_id, 4, 'map-labels', 'no_label', 'no text of the image was mapped to a class'
    FROM images ANTI JOIN (FROM mentions WHERE class_key <> '') USING (image_id)
)
SELECT image_id, arg_min(stage, (rank, detail)) AS stage, arg_min(rule, (rank, detail)) AS rule,
       arg_min(detail, (rank, detail)) AS detail
FROM reasons SEMI JOIN images USING (image_id)
GROUP BY image_id

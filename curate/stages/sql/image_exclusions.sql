-- Images that a manifest leaves out whole, one reason each: the first that applies. Copies of evaluation images stay
-- where $leaks is not 'drop'.
WITH reasons AS (
    SELECT i.image_id, 1 AS rank, 'forget' AS stage, 'tombstone' AS rule, t.kind || ': ' || t.reason AS detail
    FROM images AS i JOIN tombstones AS t
        ON (t.kind = 'image_id' AND t.value = i.image_id) OR (t.kind = 'sha256' AND t.value = i.sha256)
        OR (t.kind = 'url' AND t.value = i.url) OR (t.kind = 'owner' AND t.value = i.owner)
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

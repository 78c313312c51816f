-- How two manifests differ, part by part. n_old = n_dropped + n_same and n_new = n_same + n_added in every row.
WITH held AS (
    SELECT image_id, class_key, bool_or(side = 'old') AS in_old, bool_or(side = 'new') AS in_new
    FROM (SELECT side, image_id, unnest(class_keys) AS class_key FROM both_manifest)
    GROUP BY image_id, class_key
), seen AS (
    SELECT image_id, bool_or(side = 'old') AS in_old, bool_or(side = 'new') AS in_new FROM both_manifest GROUP BY image_id
), classes AS (
    SELECT class_key, coalesce(any_value(name) FILTER (side = 'new'), any_value(name)) AS name,
           coalesce(any_value(status) FILTER (side = 'old'), 'absent') AS old,
           coalesce(any_value(status) FILTER (side = 'new'), 'absent') AS new,
           any_value(threshold) FILTER (side = 'old') AS old_threshold,
           any_value(threshold) FILTER (side = 'new') AS new_threshold,
           bool_or(side = 'old' AND class_id IS NOT NULL) AS in_old,
           bool_or(side = 'new' AND class_id IS NOT NULL) AS in_new
    FROM (SELECT * REPLACE (CASE WHEN rolled_up_to IS NULL THEN status ELSE 'rolled up to ' || rolled_up_to END AS status)
          FROM both_manifest_classes)
    GROUP BY class_key
), counted AS (
    SELECT class_key, count(*) FILTER (in_old) AS n_old, count(*) FILTER (NOT in_new) AS n_dropped,
           count(*) FILTER (in_old AND in_new) AS n_same, count(*) FILTER (NOT in_old) AS n_added,
           count(*) FILTER (in_new) AS n_new
    FROM held GROUP BY class_key
), members AS (
    SELECT 1 AS place, 'images' AS item, in_old, in_new FROM seen
    UNION ALL SELECT 2, 'labels', in_old, in_new FROM held
    UNION ALL SELECT 3, 'classes', in_old, in_new FROM classes
), parts AS (
    SELECT 1 AS part_place, place, 'summary' AS part, item, NULL AS name, NULL AS old, NULL AS new, NULL::BIGINT AS n_labels,
           count(*) FILTER (in_old) AS n_old, count(*) FILTER (in_old AND NOT in_new) AS n_dropped,
           count(*) FILTER (in_old AND in_new) AS n_same, count(*) FILTER (in_new AND NOT in_old) AS n_added,
           count(*) FILTER (in_new) AS n_new
    FROM (FROM members UNION ALL VALUES (1, 'images', false, false), (2, 'labels', false, false),
                                        (3, 'classes', false, false))
    GROUP BY place, item
    UNION ALL
    SELECT if(part = 'parameter', 2, 3), 0, part, item, NULL, old, new, NULL, NULL, NULL, NULL, NULL, NULL
    FROM made_from
    UNION ALL
    SELECT 4, if(old = new, 1, 0), 'rule', NULL, NULL, old, new, count(*),
           NULL, NULL, NULL, NULL, NULL
    FROM (SELECT old || if(old_as IS NULL, '', ', rolled up') AS old, new || if(new_as IS NULL, '', ', rolled up') AS new
          FROM labels)
    GROUP BY old, new
    UNION ALL
    SELECT 5, if(old = new, 1, 0), 'class', class_key, name, old, new, NULL, coalesce(n_old, 0),
           coalesce(n_dropped, 0), coalesce(n_same, 0), coalesce(n_added, 0), coalesce(n_new, 0)
    FROM classes LEFT JOIN counted USING (class_key)
    WHERE old <> new OR n_dropped > 0 OR n_added > 0
    UNION ALL
    SELECT 6, 0, 'threshold', class_key, name, format('{:.4g}', old_threshold), format('{:.4g}', new_threshold),
           NULL, NULL, NULL, NULL, NULL, NULL
    FROM classes WHERE old_threshold IS DISTINCT FROM new_threshold
)
SELECT part, item, name, old, new, n_labels, n_old, n_dropped, n_same, n_added, n_new
FROM parts ORDER BY part_place, place, n_labels DESC NULLS LAST, item, old, new

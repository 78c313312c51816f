-- Rule by rule, what is lost of all images and labels and what is left. A label is lost by one rule, an image by the last
-- of the rules that took its labels, in their order here, or by the one that left it out whole.
WITH rules AS (
    SELECT unnest(['tombstone', 'damaged', 'near_duplicate', 'no_label', 'few_images', 'max_classes', 'below_kept',
                   'above_kept', 'merged', 'over_cap', 'class_excluded', 'class_undecided', 'below_threshold']) AS rule,
           generate_subscripts(range(13), 1) AS step
), named AS (
    SELECT image_id, rule FROM fates
    UNION ALL
    SELECT image_id, rule FROM gone
    UNION ALL
    SELECT image_id, coalesce(w.rule, m.rule)
    FROM (SELECT DISTINCT image_id, class_key, u.rule FROM mentions JOIN rollups AS u USING (class_key)
          WHERE u.kept_key = '') AS m
    LEFT JOIN whole AS w USING (image_id)
), labels AS (
    SELECT image_id, coalesce(step, 99) AS step FROM named LEFT JOIN rules USING (rule)
), ends AS (
    SELECT image_id, max(step) AS step
    FROM (FROM labels UNION ALL SELECT image_id, step FROM whole JOIN rules USING (rule))
    GROUP BY image_id
), lost AS (
    SELECT 0 AS step, '' AS rule, 0 AS n_labels, 0 AS n_images
    UNION ALL
    SELECT r.step, r.rule, coalesce(l.n, 0), coalesce(e.n, 0)
    FROM rules AS r
    LEFT JOIN (SELECT step, count(*) AS n FROM labels GROUP BY step) AS l USING (step)
    LEFT JOIN (SELECT step, count(*) AS n FROM ends GROUP BY step) AS e USING (step)
)
SELECT $manifest_id AS manifest_id, step, rule, n_labels, n_images,
       (SELECT count(*) FROM labels) - sum(n_labels) OVER past AS n_labels_left,
       (SELECT count(*) FROM ends) - sum(n_images) OVER past AS n_images_left
FROM lost WHERE step = 0 OR n_labels + n_images > 0 WINDOW past AS (ORDER BY step)

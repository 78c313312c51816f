-- Labels that are left out one by one, and images that are left out whole.
SELECT $manifest_id AS manifest_id, f.image_id, f.direct_key AS class_key, 'build-manifest' AS stage, f.rule,
       CASE WHEN f.direct_key <> f.class_key THEN format('as {}, rolled up from {}: ', d.name, r.name) ELSE '' END ||
       CASE f.rule WHEN 'merged' THEN 'the image has that label already'
                   WHEN 'over_cap' THEN format('p_correct {:.3f} is not among the {} highest', f.p_correct,
                                               $max_per_class::BIGINT)
                   WHEN 'below_threshold' THEN format('p_correct {:.3f} < {:.3f}', f.p_correct, d.threshold)
                   ELSE d.detail END AS detail
FROM fates AS f JOIN decisions AS d USING (class_key) JOIN decisions AS r ON r.class_key = f.direct_key
WHERE f.rule IS NOT NULL
UNION ALL
SELECT DISTINCT $manifest_id, m.image_id, m.class_key, 'build-hierarchy', u.rule,
       u.name || CASE u.rule WHEN 'few_images' THEN format(' has {} images, too few for a class', u.n_images)
                             WHEN 'max_classes' THEN format(' with {} images is not among the largest classes', u.n_images)
                             WHEN 'above_kept' THEN ' lies above a class that was kept'
                             ELSE ' lies below a class that was kept' END
FROM mentions AS m JOIN rollups AS u USING (class_key) ANTI JOIN whole AS w ON w.image_id = m.image_id
WHERE u.kept_key = ''
UNION ALL
SELECT $manifest_id, image_id, '', stage, rule, detail FROM whole

-- One row per image with a kept label. Repeat factor: r(image) = max over its labels of r(label), with f(label) = share of
-- the images that bear the label. sqrt, uniform: r = max(1, φ(t / f)), φ = √ or identity (Mahajan et al. 2018). inverse:
-- r = max f / f, so that images are drawn as with weights N / N_c (Santa Cruz & Gould, WebVision 2018).
WITH counted AS (
    SELECT class_id, count(*) AS n FROM kept GROUP BY class_id
), total AS (
    SELECT count(DISTINCT image_id) AS n_images FROM kept WHERE $resampling IN ('sqrt', 'uniform')
), rarity AS (
    SELECT class_id, CASE $resampling
               WHEN 'sqrt' THEN greatest(1.0, sqrt($resampling_t * n_images / n))
               WHEN 'uniform' THEN greatest(1.0, $resampling_t * n_images / n)
               WHEN 'inverse' THEN max(n) OVER () / n
               ELSE 1.0 END::DOUBLE AS repeat_factor
    FROM counted CROSS JOIN total
), labels AS (
    SELECT image_id, list_sort(list({'class_id': class_id, 'class_key': class_key, 'weight': weight::FLOAT})) AS labels,
           min(p_correct) AS p_correct, max(repeat_factor) AS repeat_factor
    FROM kept JOIN rarity USING (class_id)
    GROUP BY image_id
), same_bytes AS (
    SELECT sha256, min(image_id) AS copies_id FROM images WHERE $val_share > 0 GROUP BY sha256
)
SELECT $manifest_id AS manifest_id, l.image_id, i.source, i.uri, i.byte_offset, i.byte_length,
       [x.class_id FOR x IN l.labels] AS class_ids, [x.class_key FOR x IN l.labels] AS class_keys,
       [x.weight FOR x IN l.labels] AS label_weights, l.p_correct, l.repeat_factor,
       CASE WHEN md5_number_lower($seed || ':' || coalesce(d.cluster_id, s.copies_id))::DOUBLE
                 / 18446744073709551616.0 < $val_share
            THEN 'val' ELSE 'train' END AS split
FROM labels AS l JOIN images AS i USING (image_id)
LEFT JOIN (FROM duplicate_clusters WHERE $val_share > 0) AS d USING (image_id)
LEFT JOIN same_bytes AS s ON s.sha256 IS NOT DISTINCT FROM i.sha256

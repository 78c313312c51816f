-- One row per image with a kept label. Repeat factor: r(image) = max over its labels of r(label), with f(label) = share of
-- the images that bear the label. sqrt, uniform: r = max(1, φ(t / f)), φ = √ or identity (Mahajan et al. 2018). inverse:
-- r = max f / f, so that images are drawn as with weights N / N_c (Santa Cruz & Gould, WebVision 2018).
WITH counted AS (
    SELECT class_id, count(*) AS n FROM kept GROUP BY class_id
), rarity AS (
    SELECT class_id, CASE $resampling
               WHEN 'sqrt' THEN greatest(1.0, sqrt($resampling_t * (SELECT count(DISTINCT image_id) FROM kept) / n))
               WHEN 'uniform' THEN greatest(1.0, $resampling_t * (SELECT count(DISTINCT image_id) FROM kept) / n)
               WHEN 'inverse' THEN max(n) OVER () / n
               ELSE 1.0 END::DOUBLE AS repeat_factor
    FROM counted
), labels AS (
    SELECT image_id, list(class_id ORDER BY class_id) AS class_ids, list(class_key ORDER BY class_id) AS class_keys,
           list(weight::FLOAT ORDER BY class_id) AS label_weights, min(p_correct) AS p_correct,
           max(repeat_factor) AS repeat_factor
    FROM kept JOIN rarity USING (class_id)
    GROUP BY image_id
), copies AS (
    SELECT image_id, coalesce(d.cluster_id, min(image_id) OVER (PARTITION BY sha256)) AS copies_id
    FROM images LEFT JOIN duplicate_clusters AS d USING (image_id)
)
SELECT $manifest_id AS manifest_id, l.image_id, i.source, i.uri, i.byte_offset, i.byte_length, l.class_ids,
       l.class_keys, l.label_weights, l.p_correct, l.repeat_factor,
       CASE WHEN md5_number_lower($seed || ':' || copies_id)::DOUBLE / 18446744073709551616.0 < $val_share
            THEN 'val' ELSE 'train' END AS split
FROM labels AS l JOIN images AS i USING (image_id) JOIN copies USING (image_id)

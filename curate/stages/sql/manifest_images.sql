-- One row per image with a kept label. Repeat factor: r(image) = max over its labels of max(1, φ(t / f(label))),
-- f = share of the images that bear the label (Mahajan et al. 2018).
WITH kept AS (
    SELECT p.image_id, p.class_key, p.p_correct, d.class_id
    FROM pairs AS p JOIN decisions AS d USING (class_key)
    WHERE d.status = 'kept' AND p.p_correct >= d.threshold
), rarity AS (
    SELECT class_id, $resampling_t * (SELECT count(DISTINCT image_id) FROM kept) / count(*) AS t_over_f
    FROM kept GROUP BY class_id
), labels AS (
    SELECT image_id, list(class_id ORDER BY class_id) AS class_ids, list(class_key ORDER BY class_id) AS class_keys,
           min(p_correct) AS p_correct, max(t_over_f) AS t_over_f
    FROM kept JOIN rarity USING (class_id)
    GROUP BY image_id
), copies AS (
    SELECT image_id, coalesce(d.cluster_id, min(image_id) OVER (PARTITION BY sha256)) AS copies_id
    FROM images LEFT JOIN duplicate_clusters AS d USING (image_id)
)
SELECT $manifest_id AS manifest_id, l.image_id, i.source, i.uri, i.byte_offset, i.byte_length, l.class_ids,
       l.class_keys, list_transform(l.class_ids, lambda x: 1.0::FLOAT) AS label_weights, l.p_correct,
       CASE $resampling WHEN 'sqrt' THEN greatest(1.0, sqrt(l.t_over_f))
                        WHEN 'uniform' THEN greatest(1.0, l.t_over_f) ELSE 1.0 END::DOUBLE AS repeat_factor,
       CASE WHEN md5_number_lower($seed || ':' || copies_id)::DOUBLE / 18446744073709551616.0 < $val_share
            THEN 'val' ELSE 'train' END AS split
FROM labels AS l JOIN images AS i USING (image_id) JOIN copies USING (image_id)

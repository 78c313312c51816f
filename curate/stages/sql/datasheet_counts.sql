-- What a manifest holds, in one row.
SELECT count(*) AS n_images, coalesce(sum(len(class_keys)), 0)::BIGINT AS n_labels,
       count(*) FILTER (WHERE split = 'train') AS n_train, count(*) FILTER (WHERE split = 'val') AS n_val,
       count(*) FILTER (WHERE repeat_factor > 1) AS n_repeated,
       (SELECT count(*) FROM manifest_origins WHERE manifest_id = $manifest_id AND origin = 'rolled_up') AS n_rolled_up
FROM manifest WHERE manifest_id = $manifest_id

-- The best match of each compared image with one eval set, and its best with any other picture of the set.
--
-- Copies within the set (families) are one picture. Images with the bytes of an eval image are certain already. The other
-- picture says what chance scores, but for images that are laid out like a collage: it may be another of their tiles.
WITH compared AS (
    SELECT image_id, family, max(score) AS score, arg_max(transform, score) AS transform
    FROM $pairs JOIN families USING (eval_image_id)
    WHERE score IS NOT NULL
    GROUP BY ALL
), ranked AS (
    SELECT image_id, family, score, transform, row_number() OVER (PARTITION BY image_id ORDER BY score DESC, family) AS rank
    FROM compared
    WHERE image_id NOT IN (SELECT image_id FROM $pairs WHERE same_bytes)
)
SELECT image_id,
       any_value(family) FILTER (rank = 1) AS family,
       any_value(score) FILTER (rank = 1) AS best,
       any_value(score) FILTER (rank = 2 AND NOT is_collage) AS other
FROM (
    SELECT *, coalesce(bool_or(transform LIKE '%collage%') FILTER (rank = 1) OVER (PARTITION BY image_id), false)
           AS is_collage
    FROM ranked WHERE rank <= 2
)
GROUP BY image_id
ORDER BY image_id

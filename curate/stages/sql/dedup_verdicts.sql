-- The verdict on each compared image with the picture that it resembles most; NULL where nobody looked.
WITH said AS (
    SELECT image_id, family, verdict, is_sampled
    FROM latest_reviews JOIN families USING (eval_image_id)
    WHERE eval_set = $eval_set
    QUALIFY row_number() OVER (PARTITION BY image_id, family ORDER BY reviewed_at DESC, review_id DESC) = 1
)
SELECT image_id, verdict, coalesce(is_sampled, false) AS is_sampled
FROM best LEFT JOIN said USING (image_id, family)
ORDER BY image_id

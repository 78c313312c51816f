-- The verdict on each compared image with the picture that it resembles most; NULL where nobody looked.
SELECT image_id, verdict, coalesce(is_sampled, false) AS is_sampled
FROM best LEFT JOIN said USING (image_id, family)
ORDER BY image_id

-- What people last said of each pair, about the bytes that are there now.
CREATE OR REPLACE TEMP VIEW latest_reviews AS
SELECT r.eval_set, r.image_id, r.eval_image_id, r.verdict, r.is_sampled, r.reviewed_at, r.review_id
FROM duplicate_reviews AS r JOIN images AS i ON i.image_id = r.image_id AND i.sha256 = r.image_sha256
QUALIFY row_number() OVER (
    PARTITION BY r.eval_set, r.image_id, r.eval_image_id ORDER BY r.reviewed_at DESC, r.review_id DESC) = 1

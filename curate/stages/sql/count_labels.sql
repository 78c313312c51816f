-- Images per class as labels name it; with $min_images, the images themselves of classes that have fewer.
-- Reads mentions and places (class_key, node): the node that stands for a class.
WITH direct AS (
    SELECT DISTINCT image_id, node FROM mentions JOIN places USING (class_key)
), counts AS (
    SELECT node, count(*) AS n_images FROM direct GROUP BY node
), rare AS (
    SELECT node, dense_rank() OVER (ORDER BY image_id) AS image
    FROM direct JOIN counts USING (node)
    WHERE n_images < $min_images
), listed AS (
    SELECT node, list(image) AS images FROM rare GROUP BY node
)
SELECT node, n_images, coalesce(images, []) AS images
FROM counts LEFT JOIN listed USING (node)
ORDER BY node

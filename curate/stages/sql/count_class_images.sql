-- Images per class, direct and with what descendants imply. Images with the same set of direct labels are counted once
-- as a set, since there are far fewer sets than images, and only sets are spread over ancestors.
-- Reads mentions, places (class_key, node): the class that a label becomes, and closure (node, ancestor).
WITH labelled AS (
    SELECT list_sort(list_distinct(list(node))) AS label_set
    FROM mentions JOIN places USING (class_key)
    GROUP BY image_id
), label_sets AS (
    SELECT row_number() OVER () AS set_id, label_set, count(*) AS n_images
    FROM labelled
    GROUP BY label_set
), direct AS (
    SELECT set_id, n_images, unnest(label_set) AS node
    FROM label_sets
), total AS (
    SELECT ancestor AS node, sum(n_images)::BIGINT AS n_images
    FROM (SELECT DISTINCT set_id, ancestor, n_images FROM direct JOIN closure USING (node))
    GROUP BY ancestor
)
SELECT t.node, coalesce(sum(d.n_images), 0)::BIGINT AS n_images_direct, any_value(t.n_images) AS n_images_total
FROM total AS t LEFT JOIN direct AS d USING (node)
GROUP BY t.node
ORDER BY t.node

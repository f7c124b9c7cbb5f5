select id as order_id, user_id as customer_id, order_date, status
{% if var('extra_column') %}, 2.5::numeric(5,2) as weight{% endif %}
from {{ ref('raw_orders') }}

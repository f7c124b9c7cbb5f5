select customer_id, first_name, current_date as loaded from {{ ref('stg_customers') }}

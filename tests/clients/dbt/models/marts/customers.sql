{{ config(indexes=[{'columns': ['customer_id'], 'unique': True}, {'columns': ['last_name', 'first_name']}],
          pre_hook="create table if not exists {{ target.schema }}.hooks (name text)",
          post_hook=["insert into {{ target.schema }}.hooks values ('customers')", "analyze {{ this }}"]) }}
with orders as (
    select customer_id, min(order_date) as first_order, max(order_date) as most_recent_order, count(order_id) as number_of_orders
    from {{ ref('stg_orders') }} group by customer_id
),
payments as (
    select orders.customer_id, sum(payments.amount) as total_amount
    from {{ ref('stg_payments') }} as payments left join {{ ref('stg_orders') }} as orders on payments.order_id = orders.order_id
    group by orders.customer_id
)
select c.customer_id, c.first_name, c.last_name, o.first_order, o.most_recent_order, o.number_of_orders,
       p.total_amount as customer_lifetime_value, {{ cents('p.total_amount') }} as cents
from {{ ref('stg_customers') }} as c
left join orders as o on c.customer_id = o.customer_id
left join payments as p on c.customer_id = p.customer_id

{% snapshot snap_check %}
{{ config(target_schema='dbt_dev_snapshots', unique_key='order_id', strategy='check', check_cols=['status']) }}
select order_id, customer_id, status from {{ ref('stg_orders') }}
{% endsnapshot %}
{% snapshot snap_time %}
{{ config(target_schema='dbt_dev_snapshots', unique_key='order_id', strategy='timestamp', updated_at='order_date', hard_deletes='invalidate') }}
select order_id, customer_id, order_date, status from {{ ref('stg_orders') }}
{% endsnapshot %}

{% macro cents(column) %}coalesce(({{ column }} * 100)::int, 0){% endmacro %}

set search_path = 'model'

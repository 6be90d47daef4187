select 1 from customerio.rejections limit 1
